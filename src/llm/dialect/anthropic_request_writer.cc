#include <algorithm>

#include "anthropic_blocks.h"
#include "anthropic_thinking.h"
#include "anthropic_turns.h"

namespace loom::llm::anthropic {

namespace {

constexpr uint32_t declared_tools_max = 64;

class RequestWriter {
  public:
    RequestWriter(const ChatRequest& request, Form form, Context& context, ByteBuffer& out)
        : request_(request),
          form_(form),
          context_(context),
          model_(model_named(plain_model(request, context))),
          turns_(turns_of(request, model_, context)),
          plan_(plan_thinking(request, turns_, model_, context)),
          json_(out) {}

    Result<void> write();

  private:
    static std::string_view plain_model(const ChatRequest& request, Context& context) {
        return context.terms.model.empty() ? plain(request.model, context.arena) : context.terms.model;
    }
    void write_model();
    void write_system();
    Result<void> write_messages();
    Result<void> write_turn(const Turn& turn, bool is_last);
    Result<void> write_parts(const ArenaList<const Part*>& parts, Role role, const Part* trimmed);
    void write_system_turn(const ArenaList<const Part*>& parts);
    void write_tools();
    void write_tool(const Tool& tool);
    void write_schema(Json schema);
    bool has_type(Json schema);
    void write_declared_tools();
    void write_tool_choice();
    void write_thinking();
    void write_output_config();
    void write_sampling();
    void write_stop();
    void write_rest();
    void note_losses();

    const ChatRequest& request_;
    Form form_;
    Context& context_;
    const Model& model_;
    Turns turns_;
    ThinkingPlan plan_;
    JsonOut json_;
    uint32_t tool_count_ = 0;
};

Result<void> RequestWriter::write() {
    if (turns_.list.empty()) {
        context_.error_param = "messages";
        return fail(Errc::unsupported, Side::downstream, "Anthropic needs a message that is not blank");
    }
    json_.open_object();
    write_model();
    if (form_ == Form::message) json_.member_number("max_tokens", plan_.max_tokens);
    write_system();
    LOOM_TRY(write_messages());
    write_tools();
    write_tool_choice();
    write_thinking();
    write_output_config();
    if (form_ == Form::message) {
        write_sampling();
        write_stop();
        write_rest();
        note_losses();
    }
    json_.close_object();
    return {};
}

void RequestWriter::write_model() {
    const std::string_view version = context_.terms.body_version;
    if (!version.empty()) json_.member_string("anthropic_version", version);
    if (!version.empty() && form_ == Form::message) return;
    if (context_.terms.model.empty()) {
        json_.member("model", request_.model);
    } else {
        json_.member_string("model", context_.terms.model);
    }
}

void RequestWriter::write_system() {
    if (turns_.system.empty()) return;
    json_.key("system");
    json_.open_array();
    for (const Part* part : turns_.system) write_text_block(*part, part->text, context_, json_);
    json_.close_array();
}

Result<void> RequestWriter::write_messages() {
    context_.error_param = "messages";
    json_.key("messages");
    json_.open_array();
    for (const Turn& turn : turns_.list) LOOM_TRY(write_turn(turn, &turn == &turns_.list.back()));
    json_.close_array();
    context_.error_param = "";
    return {};
}

/// The results of tools first: Anthropic refuses a text before them.
Result<void> RequestWriter::write_turn(const Turn& turn, bool is_last) {
    // White space at the end of an answer that is to be continued is refused.
    const bool is_prefill = is_last && turn.role == Role::assistant && !turn.parts.empty();
    json_.open_object();
    json_.member("role", turn.role == Role::assistant ? "assistant" : "user");
    json_.key("content");
    json_.open_array();
    LOOM_TRY(write_parts(turn.results, turn.role, nullptr));
    LOOM_TRY(write_parts(turn.parts, turn.role, is_prefill ? turn.parts.back() : nullptr));
    json_.close_array();
    json_.close_object();
    write_system_turn(turn.system);
    return {};
}

/// Without the white space at its end; an escape counts as such only where its backslash is none's escape.
Text without_end_space(Text text) noexcept {
    for (;;) {
        if (text.ends_with(' ')) {
            text.remove_suffix(1);
            continue;
        }
        if (!text.ends_with("\\n") && !text.ends_with("\\t") && !text.ends_with("\\r")) return text;
        size_t backslashes = 0;
        while (backslashes + 1 < text.size() && text[text.size() - 2 - backslashes] == '\\') ++backslashes;
        if (backslashes % 2 == 0) return text;
        text.remove_suffix(2);
    }
}

Result<void> RequestWriter::write_parts(const ArenaList<const Part*>& parts, Role role, const Part* trimmed) {
    for (const Part* part : parts) {
        if (part == trimmed && part->kind == Part::Kind::text) {
            write_text_block(*part, without_end_space(part->text), context_, json_);
        } else {
            LOOM_TRY(write_block(*part, role, context_, json_));
        }
    }
    return {};
}

void RequestWriter::write_system_turn(const ArenaList<const Part*>& parts) {
    if (parts.empty()) return;
    json_.open_object();
    json_.member("role", "system");
    json_.key("content");
    json_.open_array();
    for (const Part* part : parts) write_text_block(*part, part->text, context_, json_);
    json_.close_array();
    json_.close_object();
}

/// One of Anthropic's own types ends in its date: a client may well send it through another protocol.
bool is_anthropic_type(Text type) noexcept {
    constexpr size_t date_bytes = 8;
    if (type == "mcp_toolset") return true;
    if (type.size() <= date_bytes || type[type.size() - date_bytes - 1] != '_') return false;
    return std::ranges::all_of(type.substr(type.size() - date_bytes), [](char c) { return c >= '0' && c <= '9'; });
}

void RequestWriter::write_tools() {
    for (const Tool& tool : request_.tools) {
        if (!tool.is_function && !is_anthropic_type(tool.type)) {
            context_.losses.add(has(tool.type) ? tool.type : Text("tools"));
            continue;
        }
        if (tool_count_++ == 0) {
            json_.key("tools");
            json_.open_array();
        }
        write_tool(tool);
    }
    if (tool_count_ == 0) return write_declared_tools();
    json_.close_array();
}

void RequestWriter::write_tool(const Tool& tool) {
    if (!tool.is_function) return json_.json(tool.raw);
    json_.open_object();
    json_.member("name", context_.aliases.alias_of(tool.name, tool_name_rule));
    if (!tool.description.empty()) json_.member("description", tool.description);
    json_.key("input_schema");
    write_schema(tool.schema);
    if (tool.strict == true && model_.formats) json_.member_boolean("strict", true);
    if (tool.strict == true && !model_.formats) context_.losses.add("tools[].strict");
    json_.member_json("cache_control", tool.cache_control);
    json_.close_object();
}

/// A schema must say that it is an object's. Many say no type, and some are empty.
void RequestWriter::write_schema(Json schema) {
    if (!has(schema) || schema.front() != '{') return json_.json(R"({"type":"object","properties":{}})");
    if (has_type(schema)) return json_.json(schema);
    const Json rest = schema.substr(1);
    const bool is_empty = rest.find_first_not_of(" \t\r\n") == rest.find('}');
    json_.json(is_empty ? R"({"type":"object","properties":{}})" : R"({"type":"object",)");
    if (!is_empty) json_.piece(rest);
}

bool RequestWriter::has_type(Json schema) {
    if (schema.starts_with(R"({"type")")) return true;
    Tokens tokens;
    Fault fault;
    if (!context_.nested.index(schema, Structure::Utf8::passed, tokens, fault)) return true;
    Cursor cursor(schema, tokens);
    bool found = false;
    const bool good = cursor.each_member([&](Range key) {
        found |= name_of(cursor, key) == "type";
        return cursor.skip_value();
    });
    return found || !good;
}

/// Calls in the messages need their tools declared (litellm#7755). Where the client declares none any more, the names
/// are told, and that none may be called.
void RequestWriter::write_declared_tools() {
    ArenaList<Text> names;
    for (const Turn& turn : turns_.list) {
        for (const Part* part : turn.parts) {
            const bool is_new =
                part->kind == Part::Kind::tool_call && std::ranges::find(names, part->tool_name) == names.end();
            if (is_new && names.count() < declared_tools_max) names.add(context_.arena, part->tool_name);
        }
    }
    if (names.empty()) return;
    json_.key("tools");
    json_.open_array();
    for (const Text name : names) write_tool({.name = name});
    json_.close_array();
    json_.key("tool_choice");
    json_.json(R"({"type":"none"})");
}

void RequestWriter::write_tool_choice() {
    const ToolChoice& choice = request_.tool_choice;
    if (tool_count_ == 0) return;  // a choice without tools is refused, and chooses nothing
    ToolChoice::Kind kind = choice.kind;
    const bool forces = kind == ToolChoice::Kind::any || kind == ToolChoice::Kind::named;
    if (forces && !model_.forced_tools) {
        context_.losses.add("tool_choice");
        kind = ToolChoice::Kind::automatic;
    }
    const bool one_by_one = choice.parallel == false && kind != ToolChoice::Kind::none;
    if (kind == ToolChoice::Kind::unset && !one_by_one) return;
    json_.key("tool_choice");
    json_.open_object();
    json_.member("type", kind == ToolChoice::Kind::none    ? "none"
                         : kind == ToolChoice::Kind::any   ? "any"
                         : kind == ToolChoice::Kind::named ? "tool"
                                                           : "auto");
    if (kind == ToolChoice::Kind::named) json_.member("name", context_.aliases.alias_of(choice.name, tool_name_rule));
    if (one_by_one) json_.member_boolean("disable_parallel_tool_use", true);
    json_.close_object();
}

void RequestWriter::write_thinking() {
    using Mode = ThinkingPlan::Mode;
    if (plan_.mode == Mode::unsaid) return;
    json_.key("thinking");
    json_.open_object();
    json_.member("type", plan_.mode == Mode::disabled        ? "disabled"
                         : plan_.mode == Mode::between_tools ? "between_tools"
                         : plan_.mode == Mode::adaptive      ? "adaptive"
                                                             : "enabled");
    if (plan_.mode == Mode::budget) json_.member_number("budget_tokens", plan_.budget_tokens);
    if (!plan_.display.empty()) json_.member("display", plan_.display);
    json_.close_object();
}

/// A schema for the answer is for models since Claude Opus 4.1 and Sonnet 4.5; no beta header is needed. Others, and
/// JSON without a schema, have nothing of the kind.
void RequestWriter::write_output_config() {
    const ResponseFormat& format = request_.format;
    const bool has_format = format.kind == ResponseFormat::Kind::json_schema && has(format.schema) && model_.formats;
    const bool asks =
        format.kind == ResponseFormat::Kind::json_schema || format.kind == ResponseFormat::Kind::json_object;
    if (asks && !has_format) context_.losses.add("response_format");
    if (has_format && has(format.description)) context_.losses.add("response_format.json_schema.description");
    if (!has_format && plan_.effort.empty()) return;
    json_.key("output_config");
    json_.open_object();
    if (!plan_.effort.empty()) json_.member("effort", plan_.effort);
    if (has_format) {
        json_.key("format");
        json_.open_object();
        json_.member("type", "json_schema");
        json_.member_json("schema", format.schema);
        json_.close_object();
    }
    json_.close_object();
}

bool is_one(Json number) noexcept { return value_of(number) == 1; }

/// With a budget to think, the temperature is 1, top_p is 0.95 to 1 and there is no top_k. Models that take one of
/// temperature and top_p get the temperature.
void RequestWriter::write_sampling() {
    const bool none = model_.sampling == Model::Sampling::none;
    const bool fixed = none || plan_.thinks();
    const auto lose = [this](std::string_view name, Json number) {
        if (!is_one(number)) context_.losses.add(name);  // 1 is what the model does anyway
    };
    bool has_temperature = false;
    if (has(request_.temperature)) {
        if (fixed) {
            lose("temperature", request_.temperature);
        } else {
            has_temperature = true;
            json_.member_json("temperature", clamped(request_.temperature, 0, 1, "temperature", context_));
        }
    }
    if (has(request_.top_p)) {
        const bool is_refused = none || (plan_.thinks() && value_of(request_.top_p) < 0.95) ||
                                (has_temperature && model_.sampling == Model::Sampling::one);
        if (is_refused) {
            lose("top_p", request_.top_p);
        } else {
            json_.member_json("top_p", clamped(request_.top_p, 0, 1, "top_p", context_));
        }
    }
    if (!has(request_.top_k)) return;
    if (fixed) return context_.losses.add("top_k");
    json_.member_json("top_k", request_.top_k);
}

/// A stop of white space alone is refused.
void RequestWriter::write_stop() {
    uint32_t count = 0;
    for (const Text stop : request_.stop) {
        if (is_blank(stop)) {
            context_.losses.add("stop");
            continue;
        }
        if (count++ == 0) {
            json_.key("stop_sequences");
            json_.open_array();
        }
        json_.text(stop);
    }
    if (count > 0) json_.close_array();
}

void RequestWriter::write_rest() {
    if (!request_.user.empty()) {
        json_.key("metadata");
        json_.open_object();
        json_.member("user_id", request_.user);
        json_.close_object();
    }
    const Text tier = request_.service_tier;  // `auto` is what is done unasked
    if (tier == "default" || tier == "standard_only") {
        json_.member("service_tier", "standard_only");
    } else if (has(tier) && tier != "auto") {
        context_.losses.add("service_tier");
    }
    if (request_.stream) json_.member_boolean("stream", true);
}

void RequestWriter::note_losses() {
    const auto lose = [this](bool is_lost, std::string_view name) {
        if (is_lost) context_.losses.add(name);
    };
    lose(request_.n > 1, "n");
    lose(has(request_.seed), "seed");
    lose(has(request_.presence_penalty) && value_of(request_.presence_penalty) != 0, "presence_penalty");
    lose(has(request_.frequency_penalty) && value_of(request_.frequency_penalty) != 0, "frequency_penalty");
    lose(has(request_.logit_bias) && request_.logit_bias != "{}", "logit_bias");
    lose(request_.logprobs == true, "logprobs");
    lose(request_.top_logprobs > 0, "top_logprobs");
    lose(has(request_.verbosity) && request_.verbosity != "medium", "verbosity");
    lose(has(request_.prompt_cache_key), "prompt_cache_key");
    lose(has(request_.reasoning.summary) && request_.reasoning.summary != "auto", "reasoning.summary");
    lose(has(request_.metadata) && request_.metadata != "{}", "metadata");
}

}  // namespace

Result<void> write_request(const ChatRequest& request, Form form, Context& context, ByteBuffer& out) {
    RequestWriter writer(request, form, context, out);
    return writer.write();
}

Result<void> write_request(const ChatRequest& request, Context& context, ByteBuffer& out) {
    return write_request(request, Form::message, context, out);
}

}  // namespace loom::llm::anthropic
