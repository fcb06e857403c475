#include <algorithm>
#include <array>
#include <charconv>
#include <unordered_set>

#include "loom/base/hash.h"
#include "openai_chat.h"
#include "reasoning.h"

namespace loom::llm::openai_chat {

namespace {

class RequestReader {
  public:
    RequestReader(Cursor& cursor, Context& context, ChatRequest& request) noexcept
        : cursor_(cursor), context_(context), request_(request) {}

    bool read() {
        if (cursor_.peek() != '{') return cursor_.fail_here("the body must be a JSON object");
        if (!each([&](std::string_view name) { return read_member(name); })) return false;
        if (!cursor_.at_end()) return cursor_.fail_here("there are bytes behind the JSON object");
        if (request_.messages.empty()) return refuse("messages", 0, "'messages' is missing, or empty");
        if (max_completion_tokens_ != 0) request_.max_tokens = max_completion_tokens_;
        keep_allowed_tools();
        return true;
    }
    [[nodiscard]] const char* param() const noexcept { return param_; }

  private:
    struct Member {
        std::string_view name;
        bool (RequestReader::*read)();
        const char* param;  // the same, as a literal with its end
    };
    static const std::array<Member, 33> members;

    template <class OnMember>
    bool each(OnMember&& on_member) {
        return cursor_.each_member([&](Range key) { return on_member(name_of(cursor_, key)); });
    }
    bool refuse(const char* param, uint32_t offset, const char* what) {
        param_ = param;
        return cursor_.fail_at(offset, what);
    }

    bool read_member(std::string_view name) {
        for (const Member& member : members) {
            if (member.name != name) continue;
            param_ = member.param;
            if (cursor_.is_null()) return cursor_.skip_value();  // SDKs send null for what was not set
            if (!(this->*member.read)()) return false;
            param_ = "";
            return true;
        }
        return skip_lost(cursor_, context_, "", name);
    }

    // messages
    bool read_messages() {
        if (cursor_.peek() != '[') return cursor_.fail_here("'messages' must be a list");
        request_.messages = {};  // of two, the last counts
        return cursor_.each_element([&] { return read_one_message(); });
    }
    bool read_one_message() {
        const uint32_t offset = cursor_.offset();
        ReadMessage read;
        if (!read_message(cursor_, context_, Noted::yes, read)) return false;
        Message message{.parts = read.parts, .name = read.name};
        if (!role_of(read.role, message.role)) {
            return cursor_.fail_at(
                offset, "a message must have a 'role': system, developer, user, assistant, tool or function");
        }
        if (read.legacy_call) message.parts.back().tool_id = legacy_id(++legacy_calls_);
        if (message.role == Role::tool) make_result(read, message);
        request_.messages.add(context_.arena, message);
        return true;
    }
    static bool role_of(Text word, Role& role) noexcept {
        using Pair = std::pair<std::string_view, Role>;
        constexpr std::array<Pair, 6> roles = {{{"user", Role::user},
                                                {"assistant", Role::assistant},
                                                {"tool", Role::tool},
                                                {"system", Role::system},
                                                {"developer", Role::developer},
                                                {"function", Role::tool}}};
        const auto found = std::ranges::find(roles, word, &Pair::first);
        if (found == roles.end()) return false;
        role = found->second;
        return true;
    }
    /// A function's result belongs to the function_call before it: neither has an id.
    void make_result(const ReadMessage& read, Message& message) {
        Part result{.kind = Part::Kind::tool_result, .tool_id = read.tool_call_id};
        result.content = read.parts;
        if (!result.content.empty()) {
            result.cache_control = result.content.back().cache_control;
            result.content.back().cache_control = {};
        }
        if (read.role == "function") {
            result.tool_id = legacy_id(legacy_calls_);
            result.tool_name = read.name;
            message.name = {};
        }
        message.parts = {};
        message.parts.add(context_.arena, result);
    }
    Text legacy_id(uint32_t ordinal) {
        constexpr std::string_view front = "call_";
        char* const room = context_.arena.take(front.size() + 10);
        char* const digits = std::copy(front.begin(), front.end(), room);
        return {room, static_cast<size_t>(std::to_chars(digits, digits + 10, ordinal).ptr - room)};
    }

    // tools
    bool read_tools() {
        if (cursor_.peek() != '[') return cursor_.fail_here("'tools' must be a list");
        return cursor_.each_element([&] { return read_tool(); });
    }
    bool read_tool() {
        const uint32_t offset = cursor_.offset();
        if (cursor_.peek() != '{') return cursor_.fail_here("a tool must be an object");
        Tool tool;
        Cursor again = cursor_;
        const bool good = each([&](std::string_view name) {
            if (name == "type") return take_text(cursor_, tool.type);
            if (name == "cache_control") return take_json(cursor_, tool.cache_control);
            if (name == "function" && cursor_.peek() == '{') return read_function(tool);
            if (name == "custom" && cursor_.peek() == '{') return read_name(tool.name);
            return cursor_.skip_value();
        });
        if (!good) return false;
        tool.is_function = tool.type == "function" || (!has(tool.type) && has(tool.name));
        if (!tool.is_function) {
            tool.raw = cursor_.text().substr(offset, cursor_.last_end() - offset);
            if (!has(tool.type)) return cursor_.fail_at(offset, "a tool must have a 'type'");
        } else if (!has(tool.name)) {
            return cursor_.fail_at(offset, "a tool's 'function' must have a 'name'");
        }
        if (tool.is_function && !note_unknown(again)) return false;
        request_.tools.add(context_.arena, tool);
        return true;
    }
    /// What else a tool has: of one that the provider runs a part of it, of a function a loss.
    bool note_unknown(Cursor& tool) {
        return tool.each_member([&](Range key) {
            const std::string_view name = name_of(tool, key);
            const bool is_known = name == "type" || name == "function" || name == "custom" || name == "cache_control";
            return is_known ? tool.skip_value() : skip_lost(tool, context_, "tools[].", name);
        });
    }
    bool read_function(Tool& tool) {
        return each([&](std::string_view name) {
            if (name == "name") return take_text(cursor_, tool.name);
            if (name == "description") return take_text(cursor_, tool.description);
            if (name == "parameters") return take_json(cursor_, tool.schema);
            if (name == "strict") return take_flag(cursor_, tool.strict);
            return skip_lost(cursor_, context_, "tools[].function.", name);
        });
    }
    bool read_functions() {
        if (cursor_.peek() != '[') return cursor_.fail_here("'functions' must be a list");
        context_.aliases.legacy_functions = true;
        return cursor_.each_element([&] {
            const uint32_t offset = cursor_.offset();
            Tool tool;
            if (cursor_.peek() != '{' || !read_function(tool) || !has(tool.name))
                return cursor_.fail_at(offset, "a function must be an object with a 'name'");
            request_.tools.add(context_.arena, tool);
            return true;
        });
    }

    bool read_tool_choice() {
        if (cursor_.peek() == '"') return read_tool_choice_word();
        if (cursor_.peek() != '{') return cursor_.fail_here("'tool_choice' must be a string or an object");
        const uint32_t offset = cursor_.offset();
        ToolChoice& choice = request_.tool_choice;
        const bool good = each([&](std::string_view name) {
            const bool is_object = cursor_.peek() == '{';
            if ((name == "function" || name == "custom") && is_object) return read_name(choice.name);
            if (name == "allowed_tools" && is_object) return read_allowed_tools();
            return cursor_.skip_value();
        });
        if (!good) return false;
        if (has(choice.name)) choice.kind = ToolChoice::Kind::named;
        if (choice.kind == ToolChoice::Kind::unset)
            return cursor_.fail_at(offset, "'tool_choice' must name a function, or allowed_tools");
        return true;
    }
    bool read_tool_choice_word() {
        const uint32_t offset = cursor_.offset();
        Text word;
        if (!take_text(cursor_, word)) return false;
        using Kind = ToolChoice::Kind;
        Kind& kind = request_.tool_choice.kind;
        if (word == "auto") {
            kind = Kind::automatic;
        } else if (word == "none") {
            kind = Kind::none;
        } else if (word == "required" || word == "any") {
            kind = Kind::any;
        } else {
            return cursor_.fail_at(offset, "'tool_choice' must be none, auto, required or an object");
        }
        return true;
    }
    bool read_name(Text& into) {
        return each(
            [&](std::string_view name) { return name == "name" ? take_text(cursor_, into) : cursor_.skip_value(); });
    }
    bool read_allowed_tools() {
        request_.tool_choice.kind = ToolChoice::Kind::automatic;
        return each([&](std::string_view name) {
            if (name == "mode") {
                Text mode;
                if (!take_text(cursor_, mode)) return false;
                if (mode == "required") request_.tool_choice.kind = ToolChoice::Kind::any;
                return true;
            }
            if (name != "tools" || cursor_.peek() != '[') return cursor_.skip_value();
            tools_are_bounded_ = true;
            return cursor_.each_element([&] { return read_allowed_tool(); });
        });
    }
    bool read_allowed_tool() {
        if (cursor_.peek() != '{') return cursor_.skip_value();
        return each([&](std::string_view name) {
            if ((name != "function" && name != "custom") || cursor_.peek() != '{') return cursor_.skip_value();
            Text allowed;
            if (!read_name(allowed)) return false;
            allowed_tools_.insert(allowed);
            return true;
        });
    }
    /// No other protocol has a list of allowed ones: the model is shown those alone.
    void keep_allowed_tools() {
        if (!tools_are_bounded_) return;
        const ArenaList<Tool> all = request_.tools;
        request_.tools = {};
        for (const Tool& tool : all)
            if (allowed_tools_.contains(tool.name)) request_.tools.add(context_.arena, tool);
    }
    bool read_function_call() { return cursor_.peek() == '"' ? read_tool_choice_word() : read_named_function(); }
    bool read_named_function() {
        if (cursor_.peek() != '{') return cursor_.fail_here("'function_call' must be a string or an object");
        request_.tool_choice.kind = ToolChoice::Kind::named;
        return read_name(request_.tool_choice.name);
    }
    bool read_parallel() {
        if (cursor_.is_false()) request_.tool_choice.parallel = false;  // true is the default
        return cursor_.skip_value();
    }

    // what the answer shall be like
    bool read_format() {
        if (cursor_.peek() != '{') return cursor_.fail_here("'response_format' must be an object");
        Text type;
        const bool good = each([&](std::string_view name) {
            if (name == "type") return take_text(cursor_, type);
            if (name == "json_schema" && cursor_.peek() == '{') return read_json_schema();
            return skip_lost(cursor_, context_, "response_format.", name);
        });
        using Kind = ResponseFormat::Kind;
        if (type == "json_object") request_.format.kind = Kind::json_object;
        if (type == "json_schema") request_.format.kind = Kind::json_schema;
        const bool is_known = type == "text" || request_.format.kind != Kind::unset;
        if (good && !is_known) context_.losses.add("response_format");
        return good;
    }
    bool read_json_schema() {
        ResponseFormat& format = request_.format;
        return each([&](std::string_view name) {
            if (name == "name") return take_text(cursor_, format.name);
            if (name == "description") return take_text(cursor_, format.description);
            if (name == "schema") return take_json(cursor_, format.schema);
            if (name == "strict") return take_flag(cursor_, format.strict);
            return skip_lost(cursor_, context_, "response_format.json_schema.", name);
        });
    }
    bool read_effort() {
        Text word;
        if (!take_text(cursor_, word)) return false;
        request_.reasoning.effort = effort_named(word);
        if (request_.reasoning.effort == Reasoning::Effort::unset) context_.losses.add("reasoning_effort");
        return true;
    }
    /// Anthropic's, as its own OpenAI-compatible endpoint takes it.
    bool read_thinking() {
        if (cursor_.peek() != '{') return skip_lost(cursor_, context_, "", "thinking");
        return each([&](std::string_view name) {
            uint64_t tokens = 0;
            if (name == "budget_tokens" && cursor_.take_count(tokens)) {
                request_.reasoning.budget_tokens = static_cast<int64_t>(std::min<uint64_t>(tokens, INT64_MAX));
                return true;
            }
            return name == "type" ? read_thinking_type() : skip_lost(cursor_, context_, "thinking.", name);
        });
    }
    bool read_thinking_type() {
        Text type;
        if (!take_text(cursor_, type)) return false;
        Reasoning& reasoning = request_.reasoning;
        if (type == "disabled") {
            reasoning.effort = Reasoning::Effort::none;
        } else if (type == "enabled" || type == "adaptive") {
            reasoning.include_thoughts = true;
            const bool is_told = reasoning.effort != Reasoning::Effort::unset || reasoning.budget_tokens;
            if (type == "adaptive" && !is_told) reasoning.budget_tokens = -1;
        } else {
            context_.losses.add("thinking");
        }
        return true;
    }
    bool read_stop() {
        if (cursor_.peek() == '"') return take_text(cursor_, request_.stop.add(context_.arena));
        if (cursor_.peek() != '[') return cursor_.fail_here("'stop' must be a string or a list of strings");
        return cursor_.each_element([&] {
            if (cursor_.peek() != '"') return cursor_.fail_here("'stop' must be a string or a list of strings");
            return take_text(cursor_, request_.stop.add(context_.arena));
        });
    }
    bool read_modalities() {
        if (cursor_.peek() != '[') return cursor_.fail_here("'modalities' must be a list");
        return cursor_.each_element([&] {
            Text word;
            if (!take_text(cursor_, word)) return false;
            if (word != "text") context_.losses.add("modalities");
            return true;
        });
    }

    // scalars
    bool read_count(uint64_t& count) {
        return cursor_.take_count(count) || cursor_.fail_here("a count must be a whole number, not below zero");
    }
    bool read_max_completion_tokens() { return read_count(max_completion_tokens_); }
    bool read_max_tokens() { return read_count(request_.max_tokens); }
    bool read_n() {
        uint64_t n = 0;
        const uint32_t offset = cursor_.offset();
        if (!read_count(n)) return false;
        request_.n = static_cast<uint32_t>(std::min<uint64_t>(n, UINT32_MAX));
        return n > 0 || cursor_.fail_at(offset, "'n' must be one or more");
    }
    bool read_top_logprobs() {
        uint64_t count = 0;
        if (!read_count(count)) return false;
        request_.top_logprobs = static_cast<uint32_t>(std::min<uint64_t>(count, UINT32_MAX));
        return true;
    }
    bool read_logprobs() {
        if (cursor_.is_true()) request_.logprobs = true;
        return cursor_.skip_value();
    }
    bool read_number(Json& number) {
        return cursor_.is_number() ? take_json(cursor_, number) : cursor_.fail_here("a number is expected");
    }
    bool read_temperature() { return read_number(request_.temperature); }
    bool read_top_p() { return read_number(request_.top_p); }
    bool read_top_k() { return read_number(request_.top_k); }
    bool read_seed() { return read_number(request_.seed); }
    /// Zero is the default: not carried, not missed.
    bool read_penalty(Json& penalty) {
        if (!read_number(penalty)) return false;
        if (value_of(penalty) == 0) penalty = {};
        return true;
    }
    bool read_presence_penalty() { return read_penalty(request_.presence_penalty); }
    bool read_frequency_penalty() { return read_penalty(request_.frequency_penalty); }
    bool read_object(Json& object) {
        if (cursor_.peek() != '{') return cursor_.fail_here("an object is expected");
        bool empty = true;
        const uint32_t begin = cursor_.offset();
        const bool good = each([&](std::string_view) {
            empty = false;
            return cursor_.skip_value();
        });
        if (good && !empty) object = cursor_.text().substr(begin, cursor_.last_end() - begin);
        return good;
    }
    bool read_logit_bias() { return read_object(request_.logit_bias); }
    bool read_metadata() { return read_object(request_.metadata); }
    bool read_string(Text& text) {
        return cursor_.peek() == '"' ? take_text(cursor_, text) : cursor_.fail_here("a string is expected");
    }
    bool read_model() { return read_string(request_.model); }
    bool read_user() { return read_string(request_.user); }
    bool read_safety_identifier() {
        if (has(request_.user)) return skip_lost(cursor_, context_, "", "safety_identifier");
        return read_string(request_.user);
    }
    bool read_prompt_cache_key() { return read_string(request_.prompt_cache_key); }
    bool read_service_tier() {
        if (!read_string(request_.service_tier)) return false;
        if (request_.service_tier == "auto") request_.service_tier = {};  // which is the default
        return true;
    }
    bool read_verbosity() {
        if (!read_string(request_.verbosity)) return false;
        if (request_.verbosity == "medium") request_.verbosity = {};  // which is the default
        return true;
    }
    bool read_stream() {
        request_.stream = cursor_.is_true();
        return cursor_.skip_value();
    }
    bool read_stream_options() {
        if (cursor_.peek() != '{') return cursor_.fail_here("'stream_options' must be an object");
        return each([&](std::string_view name) {
            if (name == "include_usage") request_.include_usage = cursor_.is_true();
            const bool is_known = name == "include_usage" || name == "include_obfuscation";
            return is_known ? cursor_.skip_value() : skip_lost(cursor_, context_, "stream_options.", name);
        });
    }

    Cursor& cursor_;
    Context& context_;
    ChatRequest& request_;
    const char* param_ = "";
    uint64_t max_completion_tokens_ = 0;
    uint32_t legacy_calls_ = 0;
    bool tools_are_bounded_ = false;
    std::unordered_set<Text, StringHash> allowed_tools_;
};

// Those that every request has come first.
const std::array<RequestReader::Member, 33> RequestReader::members = {{
    {"model", &RequestReader::read_model, "model"},
    {"messages", &RequestReader::read_messages, "messages"},
    {"stream", &RequestReader::read_stream, "stream"},
    {"temperature", &RequestReader::read_temperature, "temperature"},
    {"tools", &RequestReader::read_tools, "tools"},
    {"tool_choice", &RequestReader::read_tool_choice, "tool_choice"},
    {"max_tokens", &RequestReader::read_max_tokens, "max_tokens"},
    {"max_completion_tokens", &RequestReader::read_max_completion_tokens, "max_completion_tokens"},
    {"stream_options", &RequestReader::read_stream_options, "stream_options"},
    {"top_p", &RequestReader::read_top_p, "top_p"},
    {"stop", &RequestReader::read_stop, "stop"},
    {"user", &RequestReader::read_user, "user"},
    {"response_format", &RequestReader::read_format, "response_format"},
    {"reasoning_effort", &RequestReader::read_effort, "reasoning_effort"},
    {"parallel_tool_calls", &RequestReader::read_parallel, "parallel_tool_calls"},
    {"n", &RequestReader::read_n, "n"},
    {"seed", &RequestReader::read_seed, "seed"},
    {"random_seed", &RequestReader::read_seed, "random_seed"},
    {"presence_penalty", &RequestReader::read_presence_penalty, "presence_penalty"},
    {"frequency_penalty", &RequestReader::read_frequency_penalty, "frequency_penalty"},
    {"logit_bias", &RequestReader::read_logit_bias, "logit_bias"},
    {"logprobs", &RequestReader::read_logprobs, "logprobs"},
    {"top_logprobs", &RequestReader::read_top_logprobs, "top_logprobs"},
    {"metadata", &RequestReader::read_metadata, "metadata"},
    {"service_tier", &RequestReader::read_service_tier, "service_tier"},
    {"verbosity", &RequestReader::read_verbosity, "verbosity"},
    {"prompt_cache_key", &RequestReader::read_prompt_cache_key, "prompt_cache_key"},
    {"safety_identifier", &RequestReader::read_safety_identifier, "safety_identifier"},
    {"modalities", &RequestReader::read_modalities, "modalities"},
    {"functions", &RequestReader::read_functions, "functions"},
    {"function_call", &RequestReader::read_function_call, "function_call"},
    {"thinking", &RequestReader::read_thinking, "thinking"},
    {"top_k", &RequestReader::read_top_k, "top_k"},
}};

}  // namespace

Result<void> read_request(std::string_view body, Context& context, ChatRequest& request) {
    Tokens tokens;
    Fault fault;
    const char* param = "";
    bool good = context.structure.index(body, Structure::Utf8::checked, tokens, fault);
    if (good) {
        Cursor cursor(body, tokens);
        RequestReader reader(cursor, context, request);
        good = reader.read();
        param = reader.param();
        fault = cursor.fault();
    }
    if (good) return {};
    context.error_param = param;
    context.error_offset = fault.offset;
    return fail(Errc::bad_message, Side::downstream, fault.what);
}

}  // namespace loom::llm::openai_chat
