// What stands beside the messages of a Converse request: the system's texts, the tools, the parameters.
#include <algorithm>

#include "bedrock.h"
#include "reasoning.h"

namespace loom::llm::bedrock {

namespace {

using Effort = Reasoning::Effort;

constexpr int64_t thinking_budget_min = 1024;
constexpr uint32_t history_tools_max = 32;  // one would do: Converse asks that there be some

bool is_tool_block(const Part& part) noexcept {
    return part.kind == Part::Kind::tool_call || part.kind == Part::Kind::tool_result;
}

bool history_has_tools(const ChatRequest& request) noexcept {
    for (const Message& message : request.messages)
        if (std::ranges::any_of(message.parts, is_tool_block)) return true;
    return false;
}

// Tools.

void write_tool(const Tool& tool, const Model& model, Context& context, JsonOut& out) {
    out.open_object();
    out.key("toolSpec");
    out.open_object();
    out.member("name", tool_name(tool.name, context));
    if (!is_blank(tool.description)) out.member("description", tool.description);
    out.key("inputSchema");
    out.open_object();
    out.member_json("json", has(tool.schema) ? tool.schema : Json(R"({"type":"object","properties":{}})"));
    out.close_object();
    if (tool.strict.value_or(false)) {
        if (model.strict_schemas) out.member_boolean("strict", true);
        if (!model.strict_schemas) context.losses.add("tools[].strict");
    }
    out.close_object();
    out.close_object();
    if (has(tool.cache_control)) write_cache_point(tool.cache_control, model, context, out);
}

/// Converse refuses a history with calls or results where no tool is declared: those of the history are.
void write_history_tools(const ChatRequest& request, Context& context, JsonOut& out) {
    ArenaList<Text> names;
    for (const Message& message : request.messages) {
        for (const Part& part : message.parts) {
            if (part.kind != Part::Kind::tool_call || part.tool_name.empty()) continue;
            if (names.count() == history_tools_max) break;
            if (std::ranges::find(names, part.tool_name) == names.end()) names.add(context.arena, part.tool_name);
        }
    }
    if (names.empty()) names.add(context.arena, "tool");
    for (const Text name : names) write_tool({.name = name}, {}, context, out);
}

/// Converse has no word for "none": withheld are the tools, or where the history needs them, the word.
bool withholds_tools(const ChatRequest& request) noexcept {
    return request.tool_choice.kind == ToolChoice::Kind::none && !history_has_tools(request);
}

void write_tool_choice(const ToolChoice& choice, Context& context, JsonOut& out) {
    switch (choice.kind) {
        case ToolChoice::Kind::unset: return;
        case ToolChoice::Kind::none: return context.losses.add("tool_choice");
        case ToolChoice::Kind::automatic: return out.member_json("toolChoice", R"({"auto":{}})");
        case ToolChoice::Kind::any: return out.member_json("toolChoice", R"({"any":{}})");
        case ToolChoice::Kind::named: break;
    }
    out.key("toolChoice");
    out.open_object();
    out.key("tool");
    out.open_object();
    out.member("name", tool_name(choice.name, context));
    out.close_object();
    out.close_object();
}

// Thinking.

struct Thinking {
    int64_t budget_tokens = 0;      // 0: not told
    Effort effort = Effort::unset;  // unset: not told
    [[nodiscard]] bool on() const noexcept { return budget_tokens > 0 || effort != Effort::unset; }
};

/// Claude, told to think by a budget, refuses a loop of tools whose last call has not the thinking that led to it:
/// clients that do not know of signatures send none back.
bool last_call_lacks_thinking(const ChatRequest& request) noexcept {
    bool lacks = false;
    for (const Message& message : request.messages) {
        if (message.role != Role::assistant) continue;
        bool calls = false, thinks = false;
        for (const Part& part : message.parts) {
            calls |= part.kind == Part::Kind::tool_call;
            thinks |= part.kind == Part::Kind::redacted_thinking ||
                      (part.kind == Part::Kind::thinking && !part.signature.empty());
        }
        lacks = calls && !thinks;
    }
    return lacks;
}

/// The budget must stay below the answer's bound. An effort says no number, so half of the bound is left to the answer.
int64_t fitting_budget(const ChatRequest& request, Context& context) {
    int64_t budget = budget_of(request.reasoning).value_or(0);
    if (budget < 0) budget = budget_of_effort(Effort::medium);
    budget = std::max(budget, thinking_budget_min);
    if (request.max_tokens == 0) return budget;
    const auto bound = static_cast<int64_t>(std::min<uint64_t>(request.max_tokens, INT64_MAX));
    const bool told = request.reasoning.budget_tokens.value_or(-1) > 0;
    const int64_t room = told ? bound - 1 : std::max(bound / 2, std::min(bound - 1, thinking_budget_min));
    if (budget <= room) return budget;
    context.losses.add("reasoning.budget_tokens");
    return room < thinking_budget_min ? 0 : room;
}

Thinking claude_thinking(const ChatRequest& request, const Model& model, Context& context) {
    using Mode = Model::Thinking;
    const bool forced =
        request.tool_choice.kind == ToolChoice::Kind::any || request.tool_choice.kind == ToolChoice::Kind::named;
    const bool by_effort = model.thinking == Mode::effort ||
                           (model.thinking == Mode::budget_or_effort && !request.reasoning.budget_tokens);
    if (forced || (!by_effort && last_call_lacks_thinking(request))) {
        context.losses.add("reasoning_effort");
        return {};
    }
    if (by_effort) return {.effort = effort_of(request.reasoning)};
    return {.budget_tokens = fitting_budget(request, context)};
}

Thinking thinking_of(const ChatRequest& request, const Model& model, Context& context) {
    const Effort effort = effort_of(request.reasoning);
    if (effort == Effort::unset || effort == Effort::none) {
        // Claude and Nova think when told to; of the others some always do.
        if (effort == Effort::none && model.family == Model::Family::openai) context.losses.add("reasoning_effort");
        return {};
    }
    if (model.thinking == Model::Thinking::none) {
        context.losses.add("reasoning_effort");
        return {};
    }
    if (model.family == Model::Family::claude) return claude_thinking(request, model, context);
    return {.effort = effort};
}

std::string_view three_efforts(Effort effort) noexcept {
    if (effort <= Effort::low) return "low";
    return effort == Effort::medium ? "medium" : "high";
}

/// Of a model for which "high" is the most.
std::string_view bounded_effort(Effort effort, Context& context) {
    if (effort > Effort::high) context.losses.add("reasoning_effort");
    return three_efforts(effort);
}

/// Claude 4.6 has "max" above "high", and nothing between.
std::string_view claude_effort(Effort effort, const Model& model, Context& context) {
    const bool has_xhigh = model.thinking == Model::Thinking::effort;
    if (effort == Effort::max || (effort == Effort::xhigh && has_xhigh)) return effort_name(effort);
    if (effort == Effort::xhigh) context.losses.add("reasoning_effort");
    return three_efforts(effort);
}

void write_claude_thinking(const Thinking& thinking, const ChatRequest& request, const Model& model, Context& context,
                           JsonOut& out) {
    out.key("thinking");
    out.open_object();
    if (thinking.budget_tokens > 0) {
        out.member("type", "enabled");
        out.member_number("budget_tokens", static_cast<uint64_t>(thinking.budget_tokens));
        out.close_object();
        return;
    }
    out.member("type", "adaptive");
    if (request.reasoning.include_thoughts)
        out.member("display", *request.reasoning.include_thoughts ? "summarized" : "omitted");
    out.close_object();
    out.key("output_config");
    out.open_object();
    out.member("effort", claude_effort(thinking.effort, model, context));
    out.close_object();
}

/// Nova refuses its highest effort beside these.
bool bounds_nova(const ChatRequest& request) noexcept {
    return request.max_tokens > 0 || has(request.temperature) || has(request.top_p);
}

void write_thinking(const Thinking& thinking, const ChatRequest& request, const Model& model, Context& context,
                    JsonOut& out) {
    if (model.family == Model::Family::claude) return write_claude_thinking(thinking, request, model, context, out);
    if (model.family == Model::Family::openai) {
        if (context.terms.model.find("gpt-oss") != std::string_view::npos)
            return out.member("reasoning_effort", bounded_effort(thinking.effort, context));
        out.key("reasoning");
        out.open_object();
        out.member("effort", effort_name(openai_effort(request.reasoning, context)));
        return out.close_object();
    }
    std::string_view effort = bounded_effort(thinking.effort, context);
    if (effort == "high" && bounds_nova(request)) {
        effort = "medium";
        context.losses.add("reasoning_effort");
    }
    out.key("reasoningConfig");
    out.open_object();
    out.member("type", "enabled");
    out.member("maxReasoningEffort", effort);
    out.close_object();
}

// Sampling.

/// What of temperature, top_p and top_k goes: each model refuses some of them together.
struct Sampling {
    Json temperature;
    Json top_p;
    Json top_k;
};

Sampling sampling_of(const ChatRequest& request, const Model& model, const Thinking& thinking, Context& context) {
    Sampling sampling{request.temperature, request.top_p, request.top_k};
    const bool claude_thinks = model.family == Model::Family::claude && thinking.on();
    if (claude_thinks && has(sampling.temperature)) {
        if (value_of(sampling.temperature) != 1) context.losses.add("temperature");
        sampling.temperature = {};
    }
    if (claude_thinks && has(sampling.top_k)) {
        context.losses.add("top_k");
        sampling.top_k = {};
    }
    const bool both = has(sampling.temperature) && has(sampling.top_p) && model.one_of_temperature_and_top_p;
    const bool too_low = claude_thinks && has(sampling.top_p) && value_of(sampling.top_p) < 0.95;
    if (both || too_low) {
        if (value_of(sampling.top_p) != 1) context.losses.add("top_p");
        sampling.top_p = {};
    }
    if (has(sampling.temperature)) sampling.temperature = clamped(sampling.temperature, 0, 1, "temperature", context);
    if (has(sampling.top_p)) sampling.top_p = clamped(sampling.top_p, 0, 1, "top_p", context);
    return sampling;
}

/// An object that is begun with its first member, and not written without one.
class LazyObject {
  public:
    LazyObject(JsonOut& out, std::string_view name) noexcept : out_(out), name_(name) {}
    ~LazyObject() {
        if (open_) out_.close_object();
    }
    LazyObject(const LazyObject&) = delete;
    JsonOut& begin() {
        if (!open_) {
            out_.key(name_);
            out_.open_object();
        }
        open_ = true;
        return out_;
    }

  private:
    JsonOut& out_;
    std::string_view name_;
    bool open_ = false;
};

void write_stop(const ChatRequest& request, Context& context, LazyObject& object) {
    bool open = false;
    for (const Text stop : request.stop) {
        if (is_blank(stop)) {  // Bedrock refuses them
            context.losses.add("stop");
            continue;
        }
        JsonOut& out = object.begin();
        if (!open) {
            out.key("stopSequences");
            out.open_array();
        }
        open = true;
        out.text(stop);
    }
    if (open) object.begin().close_array();
}

void write_inference(const ChatRequest& request, const Sampling& sampling, Context& context, JsonOut& out) {
    LazyObject object(out, "inferenceConfig");
    if (request.max_tokens > 0) object.begin().member_number("maxTokens", request.max_tokens);
    if (has(sampling.temperature)) object.begin().member_json("temperature", sampling.temperature);
    if (has(sampling.top_p)) object.begin().member_json("topP", sampling.top_p);
    write_stop(request, context, object);
}

void write_top_k(Json top_k, const Model& model, Context& context, LazyObject& object) {
    switch (model.family) {
        case Model::Family::claude: return object.begin().member_json("top_k", top_k);
        case Model::Family::cohere: return object.begin().member_json("k", top_k);
        case Model::Family::nova: {
            JsonOut& out = object.begin();
            out.key("inferenceConfig");
            out.open_object();
            out.member_json("topK", top_k);
            return out.close_object();
        }
        default: context.losses.add("top_k");
    }
}

void write_additional(const ChatRequest& request, const Model& model, const Sampling& sampling,
                      const Thinking& thinking, Context& context, JsonOut& out) {
    LazyObject object(out, "additionalModelRequestFields");
    if (has(sampling.top_k)) write_top_k(sampling.top_k, model, context, object);
    if (thinking.on()) write_thinking(thinking, request, model, context, object.begin());
}

// The answer's form.

bool takes_schema(const ChatRequest& request, const Model& model, const Context& context) noexcept {
    return request.format.kind == ResponseFormat::Kind::json_schema && has(request.format.schema) &&
           model.strict_schemas && !context.terms.quirks.no_json_schema;
}

bool asks_for_json(const ChatRequest& request) noexcept {
    return request.format.kind == ResponseFormat::Kind::json_object ||
           request.format.kind == ResponseFormat::Kind::json_schema;
}

/// A model that cannot be bound to a schema is told of it.
void write_format_instruction(const ChatRequest& request, Context& context, JsonOut& out) {
    context.losses.add("response_format");
    out.open_object();
    out.key("text");
    out.open_text();
    out.escaped("Answer with one JSON object and nothing else: no text around it, no code fence.");
    if (has(request.format.schema)) {
        out.escaped(" It must be valid against this JSON Schema: ");
        out.escaped(request.format.schema);
    }
    out.close_text();
    out.close_object();
}

void write_format(const ResponseFormat& format, JsonOut& out) {
    out.key("outputConfig");
    out.open_object();
    out.key("textFormat");
    out.open_object();
    out.member("type", "json_schema");
    out.key("structure");
    out.open_object();
    out.key("jsonSchema");
    out.open_object();
    out.member_string("schema", format.schema);  // Converse wants the schema inside a string
    if (!format.name.empty()) out.member("name", format.name);
    if (!format.description.empty()) out.member("description", format.description);
    for (int depth = 0; depth < 4; ++depth) out.close_object();
}

void write_service_tier(Text tier, Context& context, JsonOut& out) {
    if (!has(tier) || tier == "auto") return;
    if (tier == "fast") tier = "priority";  // OpenAI's other word for it
    if (tier != "default" && tier != "flex" && tier != "priority") return context.losses.add("service_tier");
    out.key("serviceTier");
    out.open_object();
    out.member("type", tier);
    out.close_object();
}

void note_losses(const ChatRequest& request, Context& context) {
    Losses& losses = context.losses;
    if (request.n > 1) losses.add("n");
    if (has(request.seed)) losses.add("seed");
    if (value_of(request.presence_penalty) != 0) losses.add("presence_penalty");
    if (value_of(request.frequency_penalty) != 0) losses.add("frequency_penalty");
    if (has(request.logit_bias)) losses.add("logit_bias");
    if (request.logprobs.value_or(false)) losses.add("logprobs");
    if (request.top_logprobs > 0) losses.add("top_logprobs");
    if (has(request.user)) losses.add("user");
    if (has(request.verbosity)) losses.add("verbosity");
    if (has(request.prompt_cache_key)) losses.add("prompt_cache_key");
    if (has(request.metadata)) losses.add("metadata");
    if (!request.tool_choice.parallel.value_or(true)) losses.add("parallel_tool_calls");
    if (has(request.reasoning.summary)) losses.add("reasoning.summary");
}

}  // namespace

Result<void> write_system(const ChatRequest& request, const Model& model, bool system_moved, Context& context,
                          JsonOut& out) {
    bool open = false;
    const auto begin = [&] {
        if (open) return;
        out.key("system");
        out.open_array();
        open = true;
    };
    for (const Message& message : request.messages) {
        if (system_moved || (message.role != Role::system && message.role != Role::developer)) continue;
        for (const Part& part : message.parts) {
            if (part.kind != Part::Kind::text) {
                context.error_param = "messages";
                return fail(Errc::unsupported, Side::downstream, "Bedrock takes texts alone as the system's");
            }
            if (is_blank(part.text)) continue;
            begin();
            out.open_object();
            out.member("text", part.text);
            out.close_object();
            if (has(part.cache_control)) write_cache_point(part.cache_control, model, context, out);
        }
    }
    if (asks_for_json(request) && !takes_schema(request, model, context)) {
        begin();
        write_format_instruction(request, context, out);
    }
    if (open) out.close_array();
    return {};
}

void write_tools(const ChatRequest& request, const Model& model, Context& context, JsonOut& out) {
    if (withholds_tools(request)) return;
    const bool any = std::ranges::any_of(request.tools, [](const Tool& tool) { return tool.is_function; });
    if (request.tools.count() > 0 && !std::ranges::all_of(request.tools, [](const Tool& t) { return t.is_function; }))
        context.losses.add("tools[].type");
    if (!any && !history_has_tools(request)) {
        // A choice among no tools is refused.
        if (request.tool_choice.kind == ToolChoice::Kind::any || request.tool_choice.kind == ToolChoice::Kind::named)
            context.losses.add("tool_choice");
        return;
    }
    out.key("toolConfig");
    out.open_object();
    out.key("tools");
    out.open_array();
    for (const Tool& tool : request.tools)
        if (tool.is_function) write_tool(tool, model, context, out);
    if (!any) write_history_tools(request, context, out);
    out.close_array();
    if (any) write_tool_choice(request.tool_choice, context, out);
    out.close_object();
}

void write_parameters(const ChatRequest& request, const Model& model, Context& context, JsonOut& out) {
    const Thinking thinking = thinking_of(request, model, context);
    const Sampling sampling = sampling_of(request, model, thinking, context);
    write_inference(request, sampling, context, out);
    write_additional(request, model, sampling, thinking, context, out);
    // Which of the stop sequences it was, Claude alone tells: whole answers at the one place, streams at the other.
    if (model.family == Model::Family::claude && !request.stop.empty())
        out.member_json("additionalModelResponseFieldPaths", R"(["/stop_sequence","/delta/stop_sequence"])");
    if (takes_schema(request, model, context)) write_format(request.format, out);
    write_service_tier(request.service_tier, context, out);
    note_losses(request, context);
}

}  // namespace loom::llm::bedrock
