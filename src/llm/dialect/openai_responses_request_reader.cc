#include "openai_responses.h"

#include <span>
#include <unordered_set>

#include "loom/base/hash.h"
#include "reasoning.h"

namespace loom::llm::responses {

namespace {

/// Walks a request once; `instructions` may stand behind `input`, and is put before it at the end.
class RequestReader {
  public:
    RequestReader(Context& context, std::string_view body, Tokens tokens, ChatRequest& request)
        : reading_{.context = context, .cursor = Cursor(body, tokens)},
          cursor_(reading_.cursor),
          context_(context),
          arena_(context.arena),
          request_(request) {}

    Result<void> read() {
        bool good = cursor_.peek() == '{' || reading_.refuse("", "the body must be a JSON object");
        good = good && cursor_.each_member([this](Range key) { return member(reading_.name_of(key)); });
        good = good && (cursor_.at_end() || reading_.refuse("", "something stands behind the document"));
        good = good && (has_input_ || reading_.refuse("input", "input is missing"));
        if (!good) {
            context_.error_offset = cursor_.fault().offset;
            return fail(reading_.code, Side::downstream, cursor_.fault().what);
        }
        finish();
        return {};
    }

  private:
    struct Field {
        std::string_view name;
        bool (RequestReader::*read)();
        bool repeated;  // by the answer
    };
    static std::span<const Field> fields();

    bool member(std::string_view name) {
        if (cursor_.is_null()) return cursor_.skip_value();
        for (const Field& field : fields()) {
            if (field.name != name) continue;
            const uint32_t begin = cursor_.offset();
            context_.error_param = field.name.data();
            if (!(this->*field.read)()) return false;
            if (field.repeated) repeat(field.name, begin);
            return true;
        }
        return reading_.lose("", name);
    }

    void repeat(std::string_view name, uint32_t begin) {
        const Json value = cursor_.text().substr(begin, cursor_.last_end() - begin);
        if (context_.memo != nullptr) context_.memo->repeat(name, value);
    }

    // the conversation

    bool model() { return reading_.take(request_.model, "model"); }
    bool instructions() { return reading_.take(instructions_, "instructions"); }

    bool input() {
        has_input_ = true;
        if (cursor_.peek() == '"') {
            Message& message = input_.add(arena_, {.role = Role::user});
            Part part;
            if (!take_text(cursor_, part.text)) return false;
            message.parts.add(arena_, part);
            return true;
        }
        if (cursor_.peek() != '[') return reading_.refuse("input", "input must be a string or a list of items");
        return cursor_.each_element([this] {
            Item item;
            return read_item(reading_, item) && add(item);
        });
    }

    bool add(const Item& item) {
        if (item.type == "message" && item.role != "assistant") return add_message(item);
        if (add_result(item)) return true;
        ArenaList<Part> parts;
        if (!add_assistant_parts(reading_, item, parts)) return pass_over(item);
        // The items of one turn are one message, so that calls stand beside the text and the thinking before them.
        if (parts.empty()) return true;
        const bool goes_on = !input_.empty() && input_.back().role == Role::assistant;
        Message& message = goes_on ? input_.back() : input_.add(arena_, {.role = Role::assistant});
        for (const Part& part : parts) message.parts.add(arena_, part);
        return true;
    }

    bool add_message(const Item& item) {
        struct Row {
            std::string_view name;
            Role role;
        };
        constexpr Row rows[] = {{"user", Role::user}, {"system", Role::system}, {"developer", Role::developer}};
        for (const Row& row : rows) {
            if (row.name != item.role) continue;
            input_.add(arena_, {.role = row.role, .parts = item.content});
            return true;
        }
        context_.error_param = "input";
        return cursor_.fail_at(item.offset, "the role must be user, assistant, system or developer");
    }

    bool add_result(const Item& item) {
        constexpr std::string_view end = "_call_output";
        if (!item.type.ends_with(end) || item.type == "computer_call_output") return false;
        Part part{.kind = Part::Kind::tool_result, .content = item.output, .result_json = item.output_json};
        part.tool_id = has(item.call_id) ? item.call_id : item.id;
        if (has(item.output_json) && !item.output_json.starts_with('{')) {  // a list: as the text it is
            part.result_json = {};
            part.content.add(arena_, {.text = escaped(item.output_json, arena_)});
        }
        input_.add(arena_, {.role = Role::tool}).parts.add(arena_, part);
        return true;
    }

    /// What the provider itself ran, or what only OpenAI can look up.
    bool pass_over(const Item& item) {
        const bool is_reference = item.type == "item_reference";
        if (is_reference || item.type == "compaction") {
            context_.error_param = "input";
            reading_.code = Errc::unsupported;
            return cursor_.fail_at(item.offset,
                                   is_reference ? "an item_reference names what this provider never stored: send the "
                                                  "item itself"
                                                : "a compaction is sealed for OpenAI: send the items themselves");
        }
        char name[64] = "input[].";
        const size_t bytes = 8 + item.type.copy(name + 8, sizeof name - 8);
        context_.losses.add({name, bytes});
        return true;
    }

    // tools

    bool tools() {
        if (cursor_.peek() != '[') return reading_.refuse("tools", "tools must be a list");
        return cursor_.each_element([this] {
            if (cursor_.peek() != '{') return reading_.refuse("tools", "a tool must be an object");
            return tool();
        });
    }

    bool tool() {
        const uint32_t begin = cursor_.offset();
        Tool tool;
        // Its type says which of its members have a place: it is sought first.
        Cursor ahead = cursor_;
        const bool good = ahead.each_member([&](Range key) {
            return inside(ahead.text(), key) == "type" ? take_text(ahead, tool.type) : ahead.skip_value();
        });
        if (!good || !has(tool.type)) return reading_.refuse("tools", "a tool must be an object with a type");
        const bool is_custom = tool.type == "custom";
        tool.is_function = is_custom || tool.type == "function";
        if (!tool.is_function) {
            if (!take_json(cursor_, tool.raw)) return false;
            request_.tools.add(arena_, tool);
            return true;
        }
        if (!cursor_.each_member([&](Range key) { return tool_member(reading_.name_of(key), tool); })) return false;
        if (!has(tool.name)) {
            context_.error_param = "tools";
            return cursor_.fail_at(begin, "a function needs a name");
        }
        tool.type = {};
        if (is_custom) {
            tool.schema = R"({"type":"object","properties":{"input":{"type":"string"}},"required":["input"]})";
            if (context_.memo != nullptr) context_.memo->note_free_text_tool(tool.name);
        }
        request_.tools.add(arena_, tool);
        return true;
    }

    bool tool_member(std::string_view name, Tool& tool) {
        if (name == "type") return cursor_.skip_value();
        if (name == "name") return reading_.take(tool.name, "tools");
        if (name == "description") return reading_.take(tool.description, "tools");
        if (name == "parameters") return take_json(cursor_, tool.schema);
        if (name == "strict") return take_flag(cursor_, tool.strict);
        if (name == "format" && is_text_format()) return cursor_.skip_value();
        return reading_.lose("tools[].", name);
    }
    /// {"type":"text"}, a custom tool's default.
    bool is_text_format() {
        Cursor ahead = cursor_;
        Json format;
        return take_json(ahead, format) && format.find("\"text\"") != format.npos && format.size() < 24;
    }

    bool tool_choice() {
        ToolChoice& choice = request_.tool_choice;
        Text word;
        if (cursor_.peek() == '"') return take_text(cursor_, word) && choose(word);
        if (cursor_.peek() != '{') return reading_.refuse("tool_choice", "tool_choice must be a string or an object");
        Text type, name, mode;
        const bool good = cursor_.each_member([&](Range key) {
            const std::string_view member = reading_.name_of(key);
            if (member == "type") return reading_.take(type, "tool_choice");
            if (member == "name") return reading_.take(name, "tool_choice");
            if (member == "mode") return reading_.take(mode, "tool_choice");
            if (member == "tools" && cursor_.peek() == '[') return allowed_tools();
            return reading_.lose("tool_choice.", member);
        });
        if (!good) return false;
        if ((type == "function" || type == "custom") && has(name)) {
            choice.kind = ToolChoice::Kind::named;
            choice.name = name;
        } else if (type == "allowed_tools") {
            tools_are_bounded_ = true;
            return choose(has(mode) ? mode : Text("auto"));
        } else {
            context_.losses.add("tool_choice");
        }
        return true;
    }
    /// Functions by their name, what the provider runs by its type.
    bool allowed_tools() {
        return cursor_.each_element([this] {
            if (cursor_.peek() != '{') return cursor_.skip_value();
            Text type, name;
            const bool good = cursor_.each_member([&](Range key) {
                const std::string_view member = reading_.name_of(key);
                if (member == "type") return reading_.take(type, "tool_choice");
                return member == "name" ? reading_.take(name, "tool_choice") : cursor_.skip_value();
            });
            const bool is_function = type == "function" || type == "custom";
            (is_function ? allowed_names_ : allowed_types_).insert(is_function ? name : type);
            return good;
        });
    }
    /// No other protocol has a list of allowed ones: the model is shown those alone.
    void keep_allowed_tools() {
        if (!tools_are_bounded_) return;
        const ArenaList<Tool> all = request_.tools;
        request_.tools = {};
        for (const Tool& tool : all) {
            const bool is_allowed =
                tool.is_function ? allowed_names_.contains(tool.name) : allowed_types_.contains(tool.type);
            if (is_allowed) request_.tools.add(arena_, tool);
        }
    }
    bool choose(Text word) {
        using Kind = ToolChoice::Kind;
        const Kind kind = word == "auto"       ? Kind::automatic
                          : word == "none"     ? Kind::none
                          : word == "required" ? Kind::any
                                               : Kind::unset;
        if (kind == Kind::unset) return reading_.refuse("tool_choice", "tool_choice must be auto, none or required");
        request_.tool_choice.kind = kind;
        return true;
    }
    bool parallel() { return take_flag(cursor_, request_.tool_choice.parallel); }

    // the answer's form and the thinking before it

    bool text() {
        if (cursor_.peek() != '{') return reading_.refuse("text", "text must be an object");
        return cursor_.each_member([this](Range key) {
            const std::string_view name = reading_.name_of(key);
            if (name == "verbosity") return verbosity();
            if (name == "format" && cursor_.peek() == '{') return format();
            return reading_.lose("text.", name);
        });
    }
    bool verbosity() {
        if (!reading_.take(request_.verbosity, "text")) return false;
        if (request_.verbosity == "medium") request_.verbosity = {};  // which is the default
        return true;
    }
    bool format() {
        using Kind = ResponseFormat::Kind;
        ResponseFormat& format = request_.format;
        Text type;
        const bool good = cursor_.each_member([&](Range key) {
            const std::string_view name = reading_.name_of(key);
            if (name == "type") return reading_.take(type, "text");
            if (name == "name") return reading_.take(format.name, "text");
            if (name == "description") return reading_.take(format.description, "text");
            if (name == "schema") return take_json(cursor_, format.schema);
            if (name == "strict") return take_flag(cursor_, format.strict);
            return reading_.lose("text.format.", name);
        });
        if (!good) return false;
        format.kind = type == "text"          ? Kind::text
                      : type == "json_object" ? Kind::json_object
                      : type == "json_schema" ? Kind::json_schema
                                              : Kind::unset;
        if (format.kind == Kind::unset) context_.losses.add("text.format");
        if (format.kind == Kind::json_schema && !has(format.schema))
            return reading_.refuse("text", "a json_schema format needs its schema");
        return true;
    }

    bool reasoning() {
        if (cursor_.peek() != '{') return reading_.refuse("reasoning", "reasoning must be an object");
        return cursor_.each_member([this](Range key) {
            const std::string_view name = reading_.name_of(key);
            if (name == "effort") return effort();
            if (name == "summary" || name == "generate_summary") return summary();
            if (name == "context") return lose_unless("auto", "reasoning.", name);
            if (name == "mode") return lose_unless("standard", "reasoning.", name);
            return reading_.lose("reasoning.", name);
        });
    }
    /// The word that is the default says nothing.
    bool lose_unless(std::string_view standard, std::string_view prefix, std::string_view name) {
        Cursor ahead = cursor_;
        Text word;
        const bool is_standard = take_text(ahead, word) && word == standard;
        return is_standard ? cursor_.skip_value() : reading_.lose(prefix, name);
    }
    bool effort() {
        Text word;
        if (!reading_.take(word, "reasoning")) return false;
        if (!has(word)) return true;
        request_.reasoning.effort = effort_named(word);
        if (request_.reasoning.effort == Reasoning::Effort::unset) context_.losses.add("reasoning.effort");
        return true;
    }
    bool summary() {
        if (!reading_.take(request_.reasoning.summary, "reasoning")) return false;
        if (has(request_.reasoning.summary)) request_.reasoning.include_thoughts = true;
        return true;
    }

    bool include() {
        if (cursor_.peek() != '[') return reading_.refuse("include", "include must be a list");
        return cursor_.each_element([this] {
            Text word;
            if (!reading_.take(word, "include")) return false;
            if (word == "message.output_text.logprobs") {
                request_.logprobs = true;
            } else if (word != "reasoning.encrypted_content") {  // which is given always
                char name[64] = "include.";
                context_.losses.add({name, 8 + word.copy(name + 8, sizeof name - 8)});
            }
            return true;
        });
    }

    // numbers and words

    bool temperature() { return reading_.take_number(request_.temperature, "temperature"); }
    bool top_p() { return reading_.take_number(request_.top_p, "top_p"); }
    bool max_output_tokens() {
        if (cursor_.take_count(request_.max_tokens)) return true;
        return reading_.refuse("max_output_tokens", "max_output_tokens must be a whole number");
    }
    bool top_logprobs() {
        uint64_t count = 0;
        constexpr uint64_t count_max = 20;
        if (!cursor_.take_count(count) || count > count_max)
            return reading_.refuse("top_logprobs", "top_logprobs must be a number from 0 to 20");
        request_.top_logprobs = static_cast<uint32_t>(count);
        return true;
    }
    bool stream() {
        std::optional<bool> flag;
        if (!take_flag(cursor_, flag)) return false;
        request_.stream = flag.value_or(false);
        return true;
    }
    bool metadata() { return take_json(cursor_, request_.metadata); }
    bool user() { return reading_.take(user_, "user"); }
    bool safety_identifier() { return reading_.take(request_.user, "safety_identifier"); }
    bool prompt_cache_key() { return reading_.take(request_.prompt_cache_key, "prompt_cache_key"); }
    bool service_tier() { return reading_.take(request_.service_tier, "service_tier"); }
    bool truncation() { return lose_unless("disabled", "", "truncation"); }
    bool store() { return reading_.lose("", "store"); }
    bool max_tool_calls() { return reading_.lose("", "max_tool_calls"); }
    /// Padding against those who measure events: none is written, whether it is wanted or not.
    bool stream_options() { return cursor_.skip_value(); }

    // what lives at OpenAI

    bool previous_response_id() {
        return reading_.unsupported("previous_response_id",
                                    "this provider stores no responses: leave previous_response_id out and send the "
                                    "whole conversation in input");
    }
    bool conversation() {
        return reading_.unsupported("conversation",
                                    "this provider stores no conversations: leave conversation out and send its items "
                                    "in input");
    }
    bool prompt() {
        return reading_.unsupported("prompt",
                                    "this provider has no stored prompts: leave prompt out and send its text in "
                                    "instructions and input");
    }
    bool background() {
        if (cursor_.is_false()) return cursor_.skip_value();
        return reading_.unsupported("background", "this provider answers at once or as a stream: leave background out");
    }

    void finish() {
        context_.error_param = "";
        keep_allowed_tools();
        if (!has(request_.user)) request_.user = user_;
        if (has(instructions_))
            request_.messages.add(arena_, {.role = Role::system}).parts.add(arena_, {.text = instructions_});
        for (const Message& message : input_) request_.messages.add(arena_, message);
    }

    Reading reading_;
    Cursor& cursor_;
    Context& context_;
    Arena& arena_;
    ChatRequest& request_;
    ArenaList<Message> input_;
    Text instructions_;
    Text user_;
    bool has_input_ = false;
    bool tools_are_bounded_ = false;
    std::unordered_set<Text, StringHash> allowed_names_;
    std::unordered_set<Text, StringHash> allowed_types_;
};

std::span<const RequestReader::Field> RequestReader::fields() {
    static constexpr Field table[] = {
        {"model", &RequestReader::model, false},
        {"input", &RequestReader::input, false},
        {"instructions", &RequestReader::instructions, true},
        {"tools", &RequestReader::tools, true},
        {"tool_choice", &RequestReader::tool_choice, true},
        {"parallel_tool_calls", &RequestReader::parallel, true},
        {"text", &RequestReader::text, true},
        {"reasoning", &RequestReader::reasoning, true},
        {"include", &RequestReader::include, false},
        {"temperature", &RequestReader::temperature, true},
        {"top_p", &RequestReader::top_p, true},
        {"max_output_tokens", &RequestReader::max_output_tokens, true},
        {"top_logprobs", &RequestReader::top_logprobs, true},
        {"stream", &RequestReader::stream, false},
        {"metadata", &RequestReader::metadata, true},
        {"user", &RequestReader::user, true},
        {"safety_identifier", &RequestReader::safety_identifier, true},
        {"prompt_cache_key", &RequestReader::prompt_cache_key, true},
        {"service_tier", &RequestReader::service_tier, false},
        {"truncation", &RequestReader::truncation, false},
        {"store", &RequestReader::store, false},
        {"max_tool_calls", &RequestReader::max_tool_calls, false},
        {"stream_options", &RequestReader::stream_options, false},
        {"previous_response_id", &RequestReader::previous_response_id, false},
        {"conversation", &RequestReader::conversation, false},
        {"prompt", &RequestReader::prompt, false},
        {"background", &RequestReader::background, false},
    };
    return table;
}

}  // namespace

Result<void> read_request(std::string_view body, Context& context, ChatRequest& request) {
    Tokens tokens;
    Fault fault;
    if (!context.structure.index(body, Structure::Utf8::checked, tokens, fault)) {
        context.error_offset = fault.offset;
        return fail(Errc::bad_message, Side::downstream, fault.what);
    }
    return RequestReader(context, body, tokens, request).read();
}

}  // namespace loom::llm::responses
