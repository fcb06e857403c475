#include <algorithm>

#include "anthropic_content.h"
#include "reasoning.h"

namespace loom::llm::anthropic {

namespace {

using Effort = Reasoning::Effort;

class RequestReader {
  public:
    RequestReader(std::string_view body, Tokens tokens, Context& context, ChatRequest& request) noexcept
        : cursor_(body, tokens), context_(context), request_(request) {}

    [[nodiscard]] bool run();
    [[nodiscard]] const Fault& fault() const noexcept { return cursor_.fault(); }

  private:
    struct Member {
        const char* name;  // a literal: it becomes error_param
        bool (RequestReader::*read)();
    };
    static const Member members[];

    bool read_member(Range key);
    bool read_model() { return read_text(cursor_, request_.model); }
    bool read_max_tokens();
    bool read_messages();
    bool read_message();
    bool read_system() {
        system_ = {};
        return BlockReader(cursor_, context_).read_content(system_);
    }
    bool read_tools();
    bool read_tool();
    bool read_tool_choice();
    bool read_thinking();
    bool read_output_config();
    bool read_format();
    bool read_metadata();
    bool read_stop_sequences();
    bool read_stream();
    bool read_service_tier();
    bool read_speed();
    bool read_temperature() { return read_number(cursor_, request_.temperature); }
    bool read_top_p() { return read_number(cursor_, request_.top_p); }
    bool read_top_k() { return read_number(cursor_, request_.top_k); }
    bool skip() { return cursor_.skip_value(); }
    void finish();
    void finish_reasoning();

    Cursor cursor_;
    Context& context_;
    ChatRequest& request_;
    ArenaList<Part> system_;
    ArenaList<Message> messages_;
    bool messages_seen_ = false;
    Text thinking_type_;
    Text thinking_display_;
    std::optional<uint64_t> thinking_budget_;
    Text effort_;
};

const RequestReader::Member RequestReader::members[] = {
    {"model", &RequestReader::read_model},
    {"max_tokens", &RequestReader::read_max_tokens},
    {"messages", &RequestReader::read_messages},
    {"system", &RequestReader::read_system},
    {"tools", &RequestReader::read_tools},
    {"tool_choice", &RequestReader::read_tool_choice},
    {"thinking", &RequestReader::read_thinking},
    {"output_config", &RequestReader::read_output_config},
    {"output_format", &RequestReader::read_format},  // its place before output_config; still taken
    {"metadata", &RequestReader::read_metadata},
    {"stop_sequences", &RequestReader::read_stop_sequences},
    {"stream", &RequestReader::read_stream},
    {"service_tier", &RequestReader::read_service_tier},
    {"temperature", &RequestReader::read_temperature},
    {"top_p", &RequestReader::read_top_p},
    {"top_k", &RequestReader::read_top_k},
    {"speed", &RequestReader::read_speed},
    {"anthropic_version", &RequestReader::skip},  // Vertex's and Bedrock's, in place of the header
};

bool RequestReader::run() {
    if (!cursor_.each_member([&](Range key) { return read_member(key); })) return false;
    context_.error_param = "";
    if (!cursor_.at_end()) return cursor_.fail_here("something follows the document");
    context_.error_param = "messages";
    if (!messages_seen_) return cursor_.fail_at(0, "'messages' is missing");
    context_.error_param = "";
    finish();
    return true;
}

bool RequestReader::read_member(Range key) {
    const std::string_view name = name_of(cursor_, key);
    for (const Member& member : members) {
        if (name != member.name) continue;
        context_.error_param = member.name;
        if (!(this->*member.read)()) return false;
        context_.error_param = "";
        return true;
    }
    return skip_unknown(cursor_, name, context_);
}

bool RequestReader::read_max_tokens() {
    if (cursor_.is_null()) return cursor_.skip_value();
    if (!cursor_.take_count(request_.max_tokens)) return cursor_.fail_here("'max_tokens' is a whole number");
    if (request_.max_tokens == 0) context_.losses.add("max_tokens");  // fills Anthropic's prompt cache, and no more
    return true;
}

bool RequestReader::read_messages() {
    messages_seen_ = true;
    messages_ = {};
    return cursor_.each_element([&] { return read_message(); });
}

bool RequestReader::read_message() {
    const uint32_t offset = cursor_.offset();
    Message message;
    Text role;
    bool content_seen = false;
    const bool good = cursor_.each_member([&](Range key) {
        const std::string_view name = name_of(cursor_, key);
        if (name == "role") return read_text(cursor_, role);
        if (name != "content") return skip_unknown(cursor_, name, context_);
        content_seen = true;
        return BlockReader(cursor_, context_).read_content(message.parts);
    });
    if (!good) return false;
    if (role == "assistant") {
        message.role = Role::assistant;
    } else if (role == "system") {
        message.role = Role::system;
    } else if (role != "user") {
        return cursor_.fail_at(offset, "a message's role is user, assistant or system");
    }
    if (!content_seen) return cursor_.fail_at(offset, "a message needs its content");
    messages_.add(context_.arena, message);
    return true;
}

bool RequestReader::read_tools() {
    if (cursor_.is_null()) return cursor_.skip_value();
    request_.tools = {};
    return cursor_.each_element([&] { return read_tool(); });
}

/// Members of a tool that the provider runs itself are its own: the whole object is kept for them.
bool RequestReader::read_tool() {
    const uint32_t offset = cursor_.offset();
    const Cursor begin = cursor_;
    Tool tool;
    const bool good = cursor_.each_member([&](Range key) {
        const std::string_view name = name_of(cursor_, key);
        if (name == "type") return read_text(cursor_, tool.type);
        if (name == "name") return read_text(cursor_, tool.name);
        if (name == "description") return read_text(cursor_, tool.description);
        if (name == "input_schema") return take_json(cursor_, tool.schema);
        if (name == "strict") return take_flag(cursor_, tool.strict);
        if (name == "cache_control") return take_json(cursor_, tool.cache_control);
        return cursor_.skip_value();
    });
    if (!good) return false;
    tool.raw = cursor_.text().substr(offset, cursor_.last_end() - offset);
    tool.is_function = !has(tool.type) || tool.type == "custom";
    if (tool.is_function) {
        if (!has(tool.name)) return cursor_.fail_at(offset, "a tool needs a name");
        tool.type = tool.raw = {};
        Cursor again = begin;
        const bool read = again.each_member([&](Range key) {
            const std::string_view name = name_of(again, key);
            const bool known = name == "type" || name == "name" || name == "description" || name == "input_schema" ||
                               name == "strict" || name == "cache_control";
            return known ? again.skip_value() : skip_unknown(again, name, context_);
        });
        if (!read) return cursor_.fail_at(again.fault().offset, again.fault().what);
    }
    request_.tools.add(context_.arena, tool);
    return true;
}

bool RequestReader::read_tool_choice() {
    if (cursor_.is_null()) return cursor_.skip_value();
    const uint32_t offset = cursor_.offset();
    ToolChoice& choice = request_.tool_choice;
    Text type;
    std::optional<bool> not_parallel;
    const bool good = cursor_.each_member([&](Range key) {
        const std::string_view name = name_of(cursor_, key);
        if (name == "type") return read_text(cursor_, type);
        if (name == "name") return read_text(cursor_, choice.name);
        if (name == "disable_parallel_tool_use") return take_flag(cursor_, not_parallel);
        return skip_unknown(cursor_, name, context_);
    });
    if (!good) return false;
    if (type == "auto") choice.kind = ToolChoice::Kind::automatic;
    if (type == "any") choice.kind = ToolChoice::Kind::any;
    if (type == "none") choice.kind = ToolChoice::Kind::none;
    if (type == "tool" && has(choice.name)) choice.kind = ToolChoice::Kind::named;
    if (choice.kind == ToolChoice::Kind::unset)
        return cursor_.fail_at(offset, "'tool_choice' is of type auto, any, none, or tool with a name");
    if (not_parallel == true) choice.parallel = false;
    return true;
}

bool RequestReader::read_thinking() {
    if (cursor_.is_null()) return cursor_.skip_value();
    return cursor_.each_member([&](Range key) {
        const std::string_view name = name_of(cursor_, key);
        if (name == "type") return read_text(cursor_, thinking_type_);
        if (name == "display") return read_text(cursor_, thinking_display_);
        uint64_t budget = 0;
        if (name != "budget_tokens" || !cursor_.is_number()) return skip_unknown(cursor_, name, context_);
        if (!cursor_.take_count(budget)) return cursor_.fail_here("'budget_tokens' is a whole number");
        thinking_budget_ = budget;
        return true;
    });
}

bool RequestReader::read_output_config() {
    if (cursor_.is_null()) return cursor_.skip_value();
    return cursor_.each_member([&](Range key) {
        const std::string_view name = name_of(cursor_, key);
        if (name == "effort") return read_text(cursor_, effort_);
        if (name == "format") return read_format();
        return skip_unknown(cursor_, name, context_);
    });
}

bool RequestReader::read_format() {
    if (cursor_.is_null()) return cursor_.skip_value();
    const uint32_t offset = cursor_.offset();
    Text type;
    const bool good = cursor_.each_member([&](Range key) {
        const std::string_view name = name_of(cursor_, key);
        if (name == "type") return read_text(cursor_, type);
        if (name == "schema") return take_json(cursor_, request_.format.schema);
        return skip_unknown(cursor_, name, context_);
    });
    if (!good) return false;
    if (type != "json_schema" || !has(request_.format.schema))
        return cursor_.fail_at(offset, "the output's format is of type json_schema, with a schema");
    request_.format.kind = ResponseFormat::Kind::json_schema;
    request_.format.strict = true;  // Anthropic knows no other
    return true;
}

bool RequestReader::read_metadata() {
    if (cursor_.is_null()) return cursor_.skip_value();
    return cursor_.each_member([&](Range key) {
        const std::string_view name = name_of(cursor_, key);
        return name == "user_id" ? read_text(cursor_, request_.user) : skip_unknown(cursor_, name, context_);
    });
}

bool RequestReader::read_stop_sequences() {
    if (cursor_.is_null()) return cursor_.skip_value();
    return cursor_.each_element([&] {
        Text stop;
        if (cursor_.peek() != '"') return cursor_.fail_here("a stop sequence is a string");
        if (!take_text(cursor_, stop)) return false;
        request_.stop.add(context_.arena, stop);
        return true;
    });
}

bool RequestReader::read_stream() {
    std::optional<bool> stream;
    if (!take_flag(cursor_, stream)) return false;
    request_.stream = stream.value_or(false);
    return true;
}

/// Anthropic's two words, in OpenAI's: `auto` is the default of both.
bool RequestReader::read_service_tier() {
    if (!read_text(cursor_, request_.service_tier)) return false;
    if (request_.service_tier == "standard_only") request_.service_tier = "default";
    return true;
}

bool RequestReader::read_speed() {
    Text speed;
    if (!read_text(cursor_, speed)) return false;
    if (has(speed) && speed != "standard") context_.losses.add("speed");  // which is the default
    return true;
}

void RequestReader::finish() {
    if (!system_.empty()) request_.messages.add(context_.arena, {.role = Role::system, .parts = system_});
    for (const Message& message : messages_) request_.messages.add(context_.arena, message);
    finish_reasoning();
}

void RequestReader::finish_reasoning() {
    Reasoning& reasoning = request_.reasoning;
    reasoning.effort = effort_named(effort_);
    if (has(effort_) && reasoning.effort == Effort::unset) context_.losses.add("output_config.effort");
    if (!has(thinking_type_)) return;
    if (thinking_type_ == "disabled") {
        if (reasoning.effort != Effort::unset) context_.losses.add("output_config.effort");
        reasoning.effort = Effort::none;
        reasoning.budget_tokens = 0;
        return;
    }
    if (thinking_type_ == "between_tools") {
        reasoning.effort = Effort::minimal;
        context_.losses.add("thinking");
        return;
    }
    if (thinking_type_ != "enabled" && thinking_type_ != "adaptive") context_.losses.add("thinking");
    const bool is_display = thinking_display_.empty() || thinking_display_ == "summarized";
    if (!is_display && thinking_display_ != "omitted") context_.losses.add("thinking.display");
    if (thinking_type_ == "enabled" && thinking_budget_) {
        reasoning.budget_tokens = static_cast<int64_t>(std::min<uint64_t>(*thinking_budget_, INT64_MAX));
    } else if (reasoning.effort == Effort::unset) {
        reasoning.budget_tokens = -1;
    }
    reasoning.include_thoughts = thinking_display_ != "omitted";
}

}  // namespace

bool read_text(Cursor& cursor, Text& text) {
    if (cursor.peek() == '"') return take_text(cursor, text);
    return cursor.is_null() ? cursor.skip_value() : cursor.fail_here("a string is expected");
}

bool read_number(Cursor& cursor, Json& number) {
    if (cursor.is_number()) return take_json(cursor, number);
    return cursor.is_null() ? cursor.skip_value() : cursor.fail_here("a number is expected");
}

bool skip_unknown(Cursor& cursor, std::string_view name, Context& context) {
    Json value;
    if (!take_json(cursor, value)) return false;
    if (has(value) && value != "false" && value != "\"\"" && value != "[]" && value != "{}") context.losses.add(name);
    return true;
}

Result<void> read_request(std::string_view body, Context& context, ChatRequest& request) {
    Tokens tokens;
    Fault fault;
    if (context.structure.index(body, Structure::Utf8::checked, tokens, fault)) {
        RequestReader reader(body, tokens, context, request);
        if (reader.run()) return {};
        fault = reader.fault();
    }
    context.error_offset = fault.offset;
    return fail(Errc::bad_message, Side::downstream, fault.what);
}

}  // namespace loom::llm::anthropic
