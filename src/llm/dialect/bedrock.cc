#include "bedrock.h"

#include <array>

namespace loom::llm {

namespace bedrock {

namespace {

bool holds(std::string_view id, std::string_view word) noexcept { return id.find(word) != id.npos; }

template <size_t count>
bool holds_any(std::string_view id, const std::array<std::string_view, count>& words) noexcept {
    for (const std::string_view word : words)
        if (holds(id, word)) return true;
    return false;
}

// Claude's ids name their generation. What is not listed is newer than this table, and newer models think by effort.
constexpr std::array<std::string_view, 6> claude_without_thinking = {
    "claude-v2", "claude-instant", "claude-3-haiku", "claude-3-sonnet", "claude-3-opus", "claude-3-5"};
constexpr std::array<std::string_view, 5> claude_with_budget = {"claude-3-7", "claude-opus-4-2", "claude-sonnet-4-2",
                                                                "-4-1-", "-4-5-"};
constexpr std::array<std::string_view, 1> claude_with_both = {"-4-6"};
constexpr std::array<std::string_view, 2> claude_with_strict_schemas = {"-4-5-", "-4-6"};
constexpr std::array<std::string_view, 7> claude_without_citations = {"claude-v2",
                                                                      "claude-instant",
                                                                      "claude-3-haiku",
                                                                      "claude-3-sonnet",
                                                                      "claude-3-opus",
                                                                      "claude-3-5-haiku",
                                                                      "claude-3-5-sonnet-20240620"};
constexpr std::array<std::string_view, 4> claude_with_both_samplings = {"claude-v2", "claude-instant", "claude-3-",
                                                                        "claude-sonnet-4-2"};

void describe_claude(std::string_view id, Model& model) noexcept {
    using Thinking = Model::Thinking;
    model.family = Model::Family::claude;
    model.caches = true;
    model.cites = !holds_any(id, claude_without_citations);
    model.strict_schemas = holds_any(id, claude_with_strict_schemas);
    model.one_of_temperature_and_top_p = !holds_any(id, claude_with_both_samplings);
    model.thinking = holds_any(id, claude_without_thinking) ? Thinking::none
                     : holds_any(id, claude_with_budget)    ? Thinking::budget
                     : holds_any(id, claude_with_both)      ? Thinking::budget_or_effort
                                                            : Thinking::effort;
}

}  // namespace

Model model_of(std::string_view id) noexcept {
    Model model;
    if (holds(id, "anthropic.")) {
        describe_claude(id, model);
    } else if (holds(id, "amazon.nova")) {
        model.family = Model::Family::nova;
        model.caches = true;
        if (holds(id, "nova-2")) model.thinking = Model::Thinking::effort;
    } else if (holds(id, "openai.")) {
        model.family = Model::Family::openai;
        model.thinking = Model::Thinking::effort;
        model.strict_schemas = true;
    } else if (holds(id, "mistral.")) {
        model.family = Model::Family::mistral;
    } else if (holds(id, "cohere.")) {
        model.family = Model::Family::cohere;
    } else {
        model.strict_schemas = true;  // the open models that Bedrock serves; its error names one that does not
    }
    return model;
}

}  // namespace bedrock

namespace {

/// Converse is no protocol of applications: they speak it to Bedrock through AWS's SDKs, signed.
class NoEncoder final : public StreamEncoder {
  public:
    void write(const Delta&, Context&, ByteBuffer&) override {}
};

class Bedrock final : public Dialect {
  public:
    Result<void> read_request(std::string_view, Context&, ChatRequest&) const override {
        return fail(Errc::unsupported, Side::internal, "Bedrock's Converse is spoken to providers alone");
    }
    Result<void> write_request(const ChatRequest& request, Context& context, ByteBuffer& out) const override;
    Result<void> read_answer(std::string_view body, Context& context, ChatAnswer& answer) const override {
        return bedrock::read_answer(body, context, answer);
    }
    void write_answer(const ChatAnswer&, Context&, ByteBuffer&) const override {}
    void read_error(std::string_view body, Context& context, ErrorAnswer& error) const override {
        bedrock::read_error(body, context, error);
    }
    void write_error(const ErrorAnswer&, Context&, ByteBuffer&) const override {}
    [[nodiscard]] std::unique_ptr<StreamDecoder> decoder() const override { return bedrock::make_decoder(); }
    [[nodiscard]] std::unique_ptr<StreamEncoder> encoder() const override { return std::make_unique<NoEncoder>(); }
};

/// What looks at the conversation on AWS's side, where the conf names it.
void write_guardrail(const TranslateTerms& terms, JsonOut& json) {
    if (terms.guardrail.empty()) return;
    json.key("guardrailConfig");
    json.open_object();
    json.member_string("guardrailIdentifier", terms.guardrail);
    json.member_string("guardrailVersion", terms.guardrail_version);
    json.close_object();
}

/// The model and whether it streams stand in the path: /model/{id}/converse, /model/{id}/converse-stream.
Result<void> Bedrock::write_request(const ChatRequest& request, Context& context, ByteBuffer& out) const {
    const bedrock::Model model = bedrock::model_of(context.terms.model);
    JsonOut json(out);
    json.open_object();
    bool system_moved = false;
    LOOM_TRY(bedrock::write_messages(request, model, context, json, system_moved));
    LOOM_TRY(bedrock::write_system(request, model, system_moved, context, json));
    bedrock::write_parameters(request, model, context, json);
    bedrock::write_tools(request, model, context, json);
    write_guardrail(context.terms, json);
    json.close_object();
    return {};
}

}  // namespace

const Dialect& bedrock_dialect() {
    static const Bedrock dialect;
    return dialect;
}

}  // namespace loom::llm
