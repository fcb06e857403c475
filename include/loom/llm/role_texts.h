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

/// Of chat, Responses, Anthropic's messages, Gemini's contents, Cohere's chat and completions: members that are
/// instructions or the user's own (role_names.h), turns whose role is system or developer, and turns whose role is
/// user. Left out is what models and tools have said. In the order of the document.
/// document  any bytes; of one that is not well formed, nonsense is told, which lies in it.
void tell_role_texts(std::string_view document, RoleTextSink& sink);

}  // namespace loom::llm
