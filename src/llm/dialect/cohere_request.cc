#include <algorithm>
#include <array>

#include "cohere.h"
#include "reasoning.h"

namespace loom::llm::cohere {

namespace {

constexpr uint32_t stop_sequences_max = 5;

/// Models that came before Cohere's reasoning ones and refuse "thinking". What is not listed is newer.
constexpr std::array<std::string_view, 8> models_without_thinking = {
    "command-r", "command-a-03", "command-a-vision", "command-a-translate", "command-light", "command-nightly",
    "c4ai",      "aya"};

bool thinks(std::string_view model) noexcept {
    return std::ranges::none_of(models_without_thinking,
                                [model](std::string_view word) { return model.find(word) != model.npos; });
}

void write_thinking(const Reasoning& reasoning, Context& context, JsonOut& out) {
    const std::optional<int64_t> budget = budget_of(reasoning);
    if (!budget) return;
    if (!thinks(context.terms.model)) {
        if (*budget != 0) context.losses.add("reasoning_effort");
        return;
    }
    out.key("thinking");
    out.open_object();
    out.member("type", *budget == 0 ? "disabled" : "enabled");
    if (*budget > 0) out.member_number("token_budget", static_cast<uint64_t>(*budget));
    out.close_object();
}

void write_tool(const Tool& tool, Context& context, JsonOut& out) {
    if (has(tool.cache_control)) context.losses.add("cache_control");
    out.open_object();
    out.member("type", "function");
    out.key("function");
    out.open_object();
    out.member("name", tool_name(tool.name, context));
    if (!tool.description.empty()) out.member("description", tool.description);
    out.member_json("parameters", has(tool.schema) ? tool.schema : Json(R"({"type":"object","properties":{}})"));
    out.close_object();
    out.close_object();
}

/// Cohere cannot be told which tool to use; that there is no other says the same.
bool is_offered(const Tool& tool, const ToolChoice& choice) noexcept {
    return tool.is_function && (choice.kind != ToolChoice::Kind::named || tool.name == choice.name);
}

void write_tools(const ChatRequest& request, Context& context, JsonOut& out) {
    const ToolChoice& choice = request.tool_choice;
    if (std::ranges::any_of(request.tools, [](const Tool& tool) { return !tool.is_function; }))
        context.losses.add("tools[].type");
    const auto offered = [&choice](const Tool& tool) { return is_offered(tool, choice); };
    const bool forces = choice.kind == ToolChoice::Kind::any || choice.kind == ToolChoice::Kind::named;
    if (std::ranges::none_of(request.tools, offered)) {
        if (forces) context.losses.add("tool_choice");  // refused without tools
        return;
    }
    out.key("tools");
    out.open_array();
    uint32_t count = 0, strict_count = 0;
    for (const Tool& tool : request.tools) {
        if (!offered(tool)) continue;
        write_tool(tool, context, out);
        count += 1;
        strict_count += tool.strict.value_or(false) ? 1 : 0;
    }
    out.close_array();
    if (strict_count == count) out.member_boolean("strict_tools", true);
    if (strict_count > 0 && strict_count < count) context.losses.add("tools[].strict");
    if (forces) out.member("tool_choice", "REQUIRED");
    if (choice.kind == ToolChoice::Kind::none) out.member("tool_choice", "NONE");
    if (!choice.parallel.value_or(true)) context.losses.add("parallel_tool_calls");
}

/// Refused beside tools and documents.
void write_format(const ChatRequest& request, bool is_alone, Context& context, JsonOut& out) {
    const bool asks = request.format.kind == ResponseFormat::Kind::json_object ||
                      request.format.kind == ResponseFormat::Kind::json_schema;
    if (!asks) return;
    if (!is_alone) return context.losses.add("response_format");
    out.key("response_format");
    out.open_object();
    out.member("type", "json_object");
    out.member_json("json_schema", request.format.schema);
    if (has(request.format.description)) context.losses.add("response_format.json_schema.description");
    out.close_object();
}

void write_stop(const ChatRequest& request, Context& context, JsonOut& out) {
    if (request.stop.empty()) return;
    if (request.stop.count() > stop_sequences_max) context.losses.add("stop");
    out.key("stop_sequences");
    out.open_array();
    uint32_t count = 0;
    for (const Text stop : request.stop)
        if (count++ < stop_sequences_max) out.text(stop);
    out.close_array();
}

void write_number(std::string_view key, Json number, double low, double high, std::string_view name, Context& context,
                  JsonOut& out) {
    if (has(number)) out.member_json(key, clamped(number, low, high, name, context));
}

/// Some models take one of the two alone.
void write_penalties(const ChatRequest& request, Context& context, JsonOut& out) {
    const bool frequency = value_of(request.frequency_penalty) != 0;
    const bool presence = value_of(request.presence_penalty) != 0;
    if (frequency)
        write_number("frequency_penalty", request.frequency_penalty, 0, 1, "frequency_penalty", context, out);
    if (presence && frequency) return context.losses.add("presence_penalty");
    if (presence) write_number("presence_penalty", request.presence_penalty, 0, 1, "presence_penalty", context, out);
}

void write_parameters(const ChatRequest& request, Context& context, JsonOut& out) {
    if (request.max_tokens > 0) out.member_number("max_tokens", request.max_tokens);
    write_number("temperature", request.temperature, 0, 1, "temperature", context, out);
    // A p of 1 is no cut at all; Cohere's highest is as near as it comes.
    if (value_of(request.top_p) == 1) {
        out.member_json("p", "0.99");
    } else {
        write_number("p", request.top_p, 0.01, 0.99, "top_p", context, out);
    }
    write_number("k", request.top_k, 0, 500, "top_k", context, out);
    out.member_json("seed", request.seed);
    write_penalties(request, context, out);
    write_stop(request, context, out);
    write_thinking(request.reasoning, context, out);
}

void note_losses(const ChatRequest& request, Context& context) {
    Losses& losses = context.losses;
    if (request.n > 1) losses.add("n");
    if (has(request.logit_bias)) losses.add("logit_bias");
    if (request.logprobs.value_or(false)) losses.add("logprobs");
    if (request.top_logprobs > 0) losses.add("top_logprobs");
    if (has(request.user)) losses.add("user");
    if (has(request.service_tier) && request.service_tier != "auto") losses.add("service_tier");
    if (has(request.verbosity)) losses.add("verbosity");
    if (has(request.prompt_cache_key)) losses.add("prompt_cache_key");
    if (has(request.metadata)) losses.add("metadata");
    if (has(request.reasoning.summary)) losses.add("reasoning.summary");
}

}  // namespace

Result<void> write_request(const ChatRequest& request, Context& context, ByteBuffer& out) {
    JsonOut json(out);
    json.open_object();
    json.member_string("model", context.terms.model);
    if (request.stream) json.member_boolean("stream", true);
    uint32_t document_count = 0;
    LOOM_TRY(write_messages(request, context, json, document_count));
    write_tools(request, context, json);
    if (document_count > 0) write_documents(request, json);
    write_format(request, request.tools.empty() && document_count == 0, context, json);
    write_parameters(request, context, json);
    note_losses(request, context);
    json.close_object();
    return {};
}

}  // namespace loom::llm::cohere
