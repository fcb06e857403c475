// What the files of the Bedrock dialect share. Source: Amazon Bedrock Runtime's API reference (Converse,
// ConverseStream) and the inference parameters of each model family in its user guide.
#pragma once

#include <memory>
#include <string_view>

#include "dialect.h"
#include "json_out.h"

namespace loom::llm::bedrock {

/// What a model's id tells. Converse is one protocol, and yet each family takes some things in fields of its own.
struct Model {
    enum class Family : uint8_t { claude, nova, openai, mistral, cohere, other };
    /// How the model is told to think.
    enum class Thinking : uint8_t {
        none,
        budget,            // Claude up to 4.5: a budget of tokens
        budget_or_effort,  // Claude 4.6
        effort,            // later Claude, gpt-oss, Nova 2, OpenAI's own
    };
    Family family = Family::other;
    Thinking thinking = Thinking::none;
    bool strict_schemas = false;  // takes `strict` tools and a schema of its answer
    bool one_of_temperature_and_top_p = false;
    bool caches = false;  // takes cachePoint blocks
    bool cites = false;   // takes documents that it is to cite
};

/// id  "us.anthropic.claude-sonnet-4-5-20250929-v1:0", an ARN that ends with one, … Of an application's own inference
///     profile nothing is known: it gets what every model takes.
[[nodiscard]] Model model_of(std::string_view id) noexcept;

/// Writes "messages". `system_moved`: there was nothing but system texts, and they stand there as the user's.
[[nodiscard]] Result<void> write_messages(const ChatRequest& request, const Model& model, Context& context,
                                          JsonOut& out, bool& system_moved);
/// Writes "system", where there is any; of moved texts only what Loom adds to them.
/// Errors  unsupported: an image or a file among the system's texts.
[[nodiscard]] Result<void> write_system(const ChatRequest& request, const Model& model, bool system_moved,
                                        Context& context, JsonOut& out);
void write_tools(const ChatRequest& request, const Model& model, Context& context, JsonOut& out);
/// Writes "inferenceConfig", "additionalModelRequestFields" and what else has a number or a word for a value.
void write_parameters(const ChatRequest& request, const Model& model, Context& context, JsonOut& out);

/// {"cachePoint":{…}}, where the model takes one.
void write_cache_point(Json cache_control, const Model& model, Context& context, JsonOut& out);
/// A tool's name and a call's id as this model takes them.
[[nodiscard]] Text tool_name(Text name, Context& context);
[[nodiscard]] Text tool_id(Text id, const Model& model, Context& context);

// Citations (bedrock_citation.cc).

/// A Citation or CitationsDelta object as Anthropic's citation, in the arena; absent for a location Anthropic has not.
[[nodiscard]] bool read_citation(Cursor& cursor, Arena& arena, Json& citation);
/// What a text of the history cites, as Citation objects: places in the `document_count` documents that the request
/// told of so far, all of which are to be cited. What cannot be said to Bedrock is noted as lost.
[[nodiscard]] ArenaList<Json> citations_of(Json citations, uint32_t document_count, Context& context);

// Answers.
[[nodiscard]] FinishReason finish_reason(Text stop_reason) noexcept;
/// The cursor stands at a TokenUsage object.
[[nodiscard]] bool read_usage(Cursor& cursor, Usage& usage);
/// {"stop_sequence":…} or, where the model streamed, {"delta":{"stop_sequence":…}}.
[[nodiscard]] bool read_stop_sequence(Cursor& cursor, Text& stop_sequence);
[[nodiscard]] Result<void> read_answer(std::string_view body, Context& context, ChatAnswer& answer);
void read_error(std::string_view body, Context& context, ErrorAnswer& error);
/// The HTTP status that an exception of a stream stands for; 0 for a name that is none.
[[nodiscard]] int status_of(std::string_view exception) noexcept;
[[nodiscard]] std::unique_ptr<StreamDecoder> make_decoder();

}  // namespace loom::llm::bedrock
