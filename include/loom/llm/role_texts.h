// The texts of a request by who says them: its instructions, and what the user says.
#pragma once

#include <cstdint>
#include <string_view>

namespace loom::llm {

enum class Speaker : uint8_t { system, user };

class RoleTextSink {
  public:
    /// raw  the inside of a string of JSON, with its escapes.
    /// Returns false where no more is wanted: nothing else is read.
    [[nodiscard]] virtual bool on_text(Speaker speaker, std::string_view raw) = 0;

  protected:
    ~RoleTextSink() = default;
};

/// Of chat, Responses, Anthropic's messages, Gemini's contents and completions: members that are instructions (system,
/// instructions, systemInstruction), turns whose role is system or developer, and turns whose role is user. Left out is
/// what models and tools have said. In the order of the document.
/// document  well formed; of one that is not, nonsense is told.
void tell_role_texts(std::string_view document, RoleTextSink& sink);

}  // namespace loom::llm
