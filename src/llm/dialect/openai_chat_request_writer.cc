#include <algorithm>
#include <array>

#include "loom/llm/json_text.h"
#include "openai_chat.h"
#include "reasoning.h"

namespace loom::llm::openai_chat {

namespace {

using Kind = Part::Kind;

constexpr NameRule function_name{};  // letters, digits, '_' and '-', at most 64
constexpr NameRule call_id{.bytes_max = 40, .dots = true};
constexpr uint32_t stops_max = 4;

bool is_system(const Message& message) noexcept {
    return message.role == Role::system || message.role == Role::developer;
}
bool is_media(const Part& part) noexcept {
    return part.kind == Kind::image || part.kind == Kind::audio || part.kind == Kind::video || part.kind == Kind::file;
}

/// The messages: what one message of the conversation holds may be several of OpenAI's.
class MessageWriter {
  public:
    MessageWriter(const ChatRequest& request, Context& context, JsonOut& json) noexcept
        : request_(request), context_(context), json_(json), quirks_(context.terms.quirks) {}

    Result<void> write() {
        if (quirks_.no_system_in_messages) gather_system();
        json_.key("messages");
        json_.open_array();
        const Text hint = format_hint();
        bool hinted = !has(hint);
        for (const Message& message : request_.messages) {
            if (is_system(message) && quirks_.no_system_in_messages) continue;
            if (!is_system(message) && !std::exchange(hinted, true)) write_hint(hint);
            LOOM_TRY(write_message(message));
        }
        if (!hinted) write_hint(hint);
        LOOM_TRY(flush());
        json_.close_array();
        return {};
    }

  private:
    Result<void> write_message(const Message& message) {
        if (message.role == Role::assistant) return write_assistant(message);
        ArenaList<Part> rest;
        for (const Part& part : message.parts) {
            if (part.kind == Kind::tool_result) {
                LOOM_TRY(write_result(part));
            } else {
                rest.add(context_.arena, part);
            }
        }
        if (rest.empty() && message.role == Role::tool) return {};
        if (rest.empty() && !message.parts.empty()) return {};
        return message.role == Role::user || message.role == Role::tool ? write_user(message, rest)
                                                                        : write_system(message, rest);
    }

    // system
    /// Told to the model by words where the provider has no schema of its own; and OpenAI takes json_object only where
    /// some message says "JSON".
    Text format_hint() {
        const ResponseFormat& format = request_.format;
        if (format.kind == ResponseFormat::Kind::json_object) return says_json() ? Text{} : Text("Answer in JSON.");
        if (format.kind != ResponseFormat::Kind::json_schema || !quirks_.no_json_schema || !has(format.schema))
            return {};
        constexpr std::string_view front = "Answer with a JSON object that follows this JSON Schema: ";
        const Text schema = escaped(format.schema, context_.arena);
        char* const room = context_.arena.take(front.size() + schema.size());
        char* const end = std::copy(front.begin(), front.end(), room);
        std::copy(schema.begin(), schema.end(), end);
        return {room, front.size() + schema.size()};
    }
    bool says_json() const {
        const auto says = [](const Part& part) {
            constexpr std::string_view word = "json";
            const auto same = [](char a, char b) { return (a | 0x20) == b; };
            return !std::ranges::search(part.text, word, same).empty();
        };
        return std::ranges::any_of(request_.messages,
                                   [&](const Message& m) { return std::ranges::any_of(m.parts, says); });
    }
    void write_hint(Text hint) {
        Part& part = pending_.add(context_.arena);
        part.text = hint;
        if (quirks_.no_system_in_messages) return;  // in front of the first user's message
        pending_ = {};
        json_.open_object();
        json_.member_string("role", "system");
        json_.member("content", hint);
        json_.close_object();
    }
    void gather_system() {
        for (const Message& message : request_.messages)
            if (is_system(message))
                for (const Part& part : message.parts) pending_.add(context_.arena, part);
    }
    Result<void> write_system(const Message& message, const ArenaList<Part>& parts) {
        LOOM_TRY(flush());
        const bool is_developer = message.role == Role::developer && !quirks_.no_developer_role;
        return write_parts(is_developer ? "developer" : "system", message.name, parts);
    }

    // user
    /// What waits comes first: the media of the results before it.
    Result<void> write_user(const Message& message, const ArenaList<Part>& parts) {
        ArenaList<Part> all = std::exchange(pending_, {});
        for (const Part& part : parts) all.add(context_.arena, part);
        return write_parts("user", message.name, all);
    }
    Result<void> flush() {
        if (pending_.empty()) return {};
        const ArenaList<Part> parts = std::exchange(pending_, {});
        return write_parts("user", {}, parts);
    }
    Result<void> write_parts(std::string_view role, Text name, const ArenaList<Part>& parts) {
        json_.open_object();
        json_.member_string("role", role);
        json_.member("name", name);
        json_.key("content");
        LOOM_TRY(write_content(parts));
        json_.close_object();
        return {};
    }
    Result<void> write_content(const ArenaList<Part>& parts) {
        const bool only_text = std::ranges::all_of(parts, [](const Part& part) { return part.kind == Kind::text; });
        if (only_text && (parts.count() <= 1 || quirks_.no_content_parts)) {
            for (const Part& part : parts) note_lost(part);
            json_.text(joined_text(parts, R"(\n\n)", context_.arena));
            return {};
        }
        json_.open_array();
        for (const Part& part : parts) LOOM_TRY(write_part(part));
        json_.close_array();
        return {};
    }
    void note_lost(const Part& part) {
        if (has(part.cache_control)) context_.losses.add("cache_control");
        if (has(part.citations)) context_.losses.add("citations");
    }

    Result<void> write_part(const Part& part) {
        note_lost(part);
        switch (part.kind) {
            case Kind::text: write_text(part.text); return {};
            case Kind::image: return write_image(part.media);
            case Kind::audio: return write_audio(part.media);
            case Kind::file: return write_file(part.media);
            case Kind::video: return unsupported("OpenAI chat completions take no video");
            default: context_.losses.add("messages[].content[]"); return {};
        }
    }
    void write_text(Text text) {
        json_.open_object();
        json_.member_string("type", "text");
        json_.key("text");
        json_.text(text);
        json_.close_object();
    }
    Result<void> unsupported(const char* what) {
        context_.error_param = "messages";
        return fail(Errc::unsupported, Side::downstream, what);
    }
    Result<void> write_image(const Media& media) {
        const bool is_url = media.source == Media::Source::url;
        if (!is_url && media.source != Media::Source::base64)
            return unsupported("OpenAI chat completions take images by URL or base64, not by file id");
        if (is_url && !media.data.starts_with("http") && !media.data.starts_with("data:"))
            return unsupported("OpenAI fetches images by http(s) alone");
        json_.open_object();
        json_.member_string("type", "image_url");
        json_.key("image_url");
        json_.open_object();
        json_.key("url");
        is_url ? json_.text(media.data) : write_data_url(media, "image/png", json_);
        json_.member("detail", media.detail);
        json_.close_object();
        json_.close_object();
        return {};
    }
    Result<void> write_audio(const Media& media) {
        if (media.source != Media::Source::base64)
            return unsupported("OpenAI chat completions take audio as base64 alone");
        json_.open_object();
        json_.member_string("type", "input_audio");
        json_.key("input_audio");
        json_.open_object();
        json_.member("data", media.data);
        json_.member("format", format_of(media.media_type));
        json_.close_object();
        json_.close_object();
        return {};
    }
    static Text format_of(Text media_type) noexcept {
        Text format = media_type.substr(std::min(media_type.find('/') + 1, media_type.size()));
        if (format.starts_with("x-")) format.remove_prefix(2);
        if (format == "mpeg") return "mp3";
        return format.empty() || format == "wave" || format == "vnd.wave" ? "wav" : format;
    }
    Result<void> write_file(const Media& media) {
        if (media.source == Media::Source::text) {
            write_text(media.data);
            return {};
        }
        if (media.source == Media::Source::url)
            return unsupported("OpenAI chat completions take files as base64 or by file id, not by URL");
        json_.open_object();
        json_.member_string("type", "file");
        json_.key("file");
        json_.open_object();
        if (media.source == Media::Source::file_id) {
            json_.member("file_id", media.data);
        } else {
            json_.key("filename");
            json_.text(has(media.name) ? media.name : "document");
            json_.key("file_data");
            write_data_url(media, "application/pdf", json_);
        }
        json_.close_object();
        json_.close_object();
        return {};
    }

    // assistant
    Result<void> write_assistant(const Message& message) {
        LOOM_TRY(flush());
        json_.open_object();
        json_.member_string("role", "assistant");
        json_.member("name", message.name);
        write_said(message.parts);
        write_thoughts(message.parts);
        write_calls(message.parts);
        write_spoken(message.parts);
        write_extra_content(text_signature_of(message.parts), json_);
        json_.close_object();
        return {};
    }
    void write_said(const ArenaList<Part>& parts) {
        ArenaList<Part> texts;
        Text refusal;
        bool has_calls = false;
        for (const Part& part : parts) {
            if (is_thinking(part)) continue;
            if (part.kind == Kind::text) texts.add(context_.arena, part);
            if (part.kind == Kind::refusal) refusal = part.text;
            has_calls |= part.kind == Kind::tool_call;
            const bool is_spoken = part.kind == Kind::audio && part.media.source == Media::Source::file_id;
            const bool is_lost = (is_media(part) && !is_spoken) || part.kind == Kind::tool_result;
            if (is_lost) context_.losses.add("messages[].content[]");
            note_lost(part);
        }
        json_.key("content");
        // One text, as the answer was: its blocks follow each other without anything between.
        if (texts.empty()) {
            has_calls || has(refusal) ? json_.null() : json_.text("");
        } else {
            json_.text(joined_text(texts, "", context_.arena));
        }
        json_.member("refusal", refusal);
    }
    void write_thoughts(const ArenaList<Part>& parts) {
        if (!quirks_.no_reasoning_content) return write_thinking(parts, context_, json_);
        if (std::ranges::any_of(parts, is_thinking)) context_.losses.add("reasoning_content");
    }
    void write_calls(const ArenaList<Part>& parts) {
        if (std::ranges::none_of(parts, [](const Part& part) { return part.kind == Kind::tool_call; })) return;
        json_.key("tool_calls");
        json_.open_array();
        for (const Part& part : parts)
            if (part.kind == Kind::tool_call) write_call(part);
        json_.close_array();
    }
    void write_call(const Part& call) {
        json_.open_object();
        write_id("id", call);
        json_.member_string("type", "function");
        json_.key("function");
        json_.open_object();
        json_.key("name");
        json_.text(context_.aliases.alias_of(call.tool_name, function_name));
        json_.key("arguments");
        write_arguments(call, json_);
        json_.close_object();
        write_extra_content(call.signature, json_);
        json_.close_object();
    }
    /// Where the protocol has no ids, the name is one: call and result have it in common.
    void write_id(std::string_view key, const Part& part) {
        Text id = has(part.tool_id) ? part.tool_id : part.tool_name;
        if (id.size() > call_id.bytes_max || id.empty()) id = context_.aliases.alias_of(id, call_id);
        json_.key(key);
        json_.text(id);
    }
    /// What the model said aloud before, by its id.
    void write_spoken(const ArenaList<Part>& parts) {
        for (const Part& part : parts) {
            if (part.kind != Kind::audio || part.media.source != Media::Source::file_id) continue;
            json_.key("audio");
            json_.open_object();
            json_.member("id", part.media.data);
            json_.close_object();
            return;
        }
    }

    // tool results
    Result<void> write_result(const Part& result) {
        note_lost(result);
        if (result.is_error) context_.losses.add("is_error");
        ArenaList<Part> texts;
        for (const Part& part : result.content)
            (part.kind == Kind::text ? texts : pending_).add(context_.arena, part);  // a result has text alone
        json_.open_object();
        json_.member_string("role", "tool");
        write_id("tool_call_id", result);
        json_.key("content");
        if (has(result.result_json)) {
            json_.string(result.result_json);
        } else {
            LOOM_TRY(write_content(texts));
        }
        json_.close_object();
        return {};
    }

    const ChatRequest& request_;
    Context& context_;
    JsonOut& json_;
    const Quirks& quirks_;
    ArenaList<Part> pending_;  // for the front of the next user's message
};

class RequestWriter {
  public:
    RequestWriter(const ChatRequest& request, Context& context, ByteBuffer& out) noexcept
        : request_(request), context_(context), json_(out), quirks_(context.terms.quirks) {}

    Result<void> write() {
        json_.open_object();
        json_.member_string("model", context_.terms.model);
        LOOM_TRY(MessageWriter(request_, context_, json_).write());
        write_tools();
        write_format();
        write_reasoning();
        write_bounds();
        write_sampling();
        write_logprobs();
        write_labels();
        write_stream();
        json_.close_object();
        return {};
    }

  private:
    void lose(std::string_view name) { context_.losses.add(name); }

    void write_tools() {
        const auto is_function = [](const Tool& tool) { return tool.is_function; };
        for (const Tool& tool : request_.tools)
            if (!tool.is_function) lose_tool(tool);
        // Without tools OpenAI refuses what is said of them.
        if (std::ranges::none_of(request_.tools, is_function)) return;
        json_.key("tools");
        json_.open_array();
        for (const Tool& tool : request_.tools)
            if (tool.is_function) write_tool(tool);
        json_.close_array();
        write_tool_choice();
        if (!request_.tool_choice.parallel) return;
        if (!quirks_.no_parallel_tool_calls)
            return json_.member_boolean("parallel_tool_calls", *request_.tool_choice.parallel);
        if (!*request_.tool_choice.parallel) lose("parallel_tool_calls");
    }
    void lose_tool(const Tool& tool) {
        std::array<char, 64> room;
        const size_t front = std::string_view("tools[].").copy(room.data(), room.size());
        lose({room.data(), front + tool.type.copy(room.data() + front, room.size() - front)});
    }
    void write_tool(const Tool& tool) {
        if (has(tool.cache_control)) lose("cache_control");
        json_.open_object();
        json_.member_string("type", "function");
        json_.key("function");
        json_.open_object();
        json_.key("name");
        json_.text(context_.aliases.alias_of(tool.name, function_name));
        json_.member("description", tool.description);
        json_.key("parameters");  // some compatible servers want it, if only to say that there are none
        json_.json(has(tool.schema) ? tool.schema : R"({"type":"object","properties":{}})");
        if (tool.strict) json_.member_boolean("strict", *tool.strict);
        json_.close_object();
        json_.close_object();
    }
    void write_tool_choice() {
        using Choice = ToolChoice::Kind;
        switch (request_.tool_choice.kind) {
            case Choice::unset: return;
            case Choice::automatic: return json_.member_string("tool_choice", "auto");
            case Choice::none: return json_.member_string("tool_choice", "none");
            case Choice::any:
                return json_.member_string("tool_choice", quirks_.no_tool_choice_required ? "any" : "required");
            case Choice::named: break;
        }
        json_.key("tool_choice");
        json_.open_object();
        json_.member_string("type", "function");
        json_.key("function");
        json_.open_object();
        json_.member("name", context_.aliases.alias_of(request_.tool_choice.name, function_name));
        json_.close_object();
        json_.close_object();
    }

    void write_format() {
        const ResponseFormat& format = request_.format;
        using Format = ResponseFormat::Kind;
        if (format.kind == Format::unset || format.kind == Format::text) return;
        const bool by_schema = format.kind == Format::json_schema && has(format.schema) && !quirks_.no_json_schema;
        json_.key("response_format");
        json_.open_object();
        json_.member_string("type", by_schema ? "json_schema" : "json_object");
        if (by_schema) write_schema(format);
        json_.close_object();
    }
    void write_schema(const ResponseFormat& format) {
        json_.key("json_schema");
        json_.open_object();
        json_.key("name");
        json_.text(has(format.name) ? context_.aliases.alias_of(format.name, function_name) : "answer");
        json_.member("description", format.description);
        json_.member_json("schema", format.schema);
        if (format.strict) json_.member_boolean("strict", *format.strict);
        json_.close_object();
    }
    void write_reasoning() {
        const Reasoning& reasoning = request_.reasoning;
        const Reasoning::Effort effort = openai_effort(reasoning, context_);
        if (effort != Reasoning::Effort::unset) json_.member_string("reasoning_effort", effort_name(effort));
        if (has(reasoning.summary)) lose("reasoning.summary");
    }
    void write_bounds() {
        if (request_.max_tokens > 0)
            json_.member_number(quirks_.max_tokens_only ? "max_tokens" : "max_completion_tokens", request_.max_tokens);
        if (request_.n > 1 && quirks_.no_n) {
            lose("n");
        } else if (request_.n > 1) {
            json_.member_number("n", request_.n);
        }
        if (request_.stop.empty()) return;
        if (request_.stop.count() > stops_max) lose("stop");
        json_.key("stop");
        json_.open_array();
        uint32_t count = 0;
        for (const Text stop : request_.stop)
            if (count++ < stops_max) json_.text(stop);
        json_.close_array();
    }
    void write_number(std::string_view name, Json number, double low, double high) {
        if (has(number)) json_.member_json(name, clamped(number, low, high, name, context_));
    }
    /// Where the quirk says that the provider refuses the field.
    void write_unless(bool quirk, std::string_view name, Json value, std::string_view spelled) {
        if (!has(value)) return;
        quirk ? lose(name) : json_.member_json(spelled, value);
    }
    void write_sampling() {
        write_number("temperature", request_.temperature, 0, 2);
        write_number("top_p", request_.top_p, 0, 1);
        if (has(request_.top_k)) lose("top_k");
        if (!quirks_.no_penalties) {
            write_number("presence_penalty", request_.presence_penalty, -2, 2);
            write_number("frequency_penalty", request_.frequency_penalty, -2, 2);
        } else {
            if (has(request_.presence_penalty)) lose("presence_penalty");
            if (has(request_.frequency_penalty)) lose("frequency_penalty");
        }
        write_unless(quirks_.no_seed, "seed", request_.seed, quirks_.seed_is_random_seed ? "random_seed" : "seed");
        write_unless(false, "logit_bias", request_.logit_bias, "logit_bias");
    }
    void write_logprobs() {
        if (!request_.logprobs.value_or(false)) return;
        if (quirks_.no_logprobs) return lose("logprobs");
        json_.member_boolean("logprobs", true);
        if (request_.top_logprobs > 0) json_.member_number("top_logprobs", std::min(request_.top_logprobs, 20u));
        if (request_.top_logprobs > 20) lose("top_logprobs");
    }
    void write_labels() {
        if (has(request_.user)) quirks_.no_user ? lose("user") : json_.member("user", request_.user);
        write_service_tier();
        const Text verbosity = request_.verbosity;
        const bool is_verbosity = verbosity == "low" || verbosity == "medium" || verbosity == "high";
        if (is_verbosity) json_.member("verbosity", verbosity);
        if (!is_verbosity && has(verbosity)) lose("verbosity");
        json_.member("prompt_cache_key", request_.prompt_cache_key);
        // "The 'metadata' parameter is only allowed when 'store' is enabled", and we store nothing unasked.
        if (has(request_.metadata)) lose("metadata");
    }
    void write_service_tier() {
        const Text tier = request_.service_tier;
        if (!has(tier) || tier == "auto") return;
        if (tier == "default" || tier == "flex" || tier == "priority" || tier == "scale" || tier == "fast") {
            json_.member("service_tier", tier);
        } else if (tier == "standard_only" || tier == "standard") {  // Anthropic's
            json_.member_string("service_tier", "default");
        } else {
            lose("service_tier");
        }
    }
    void write_stream() {
        if (!request_.stream) return;
        json_.member_boolean("stream", true);
        if (quirks_.no_stream_options) return;
        json_.key("stream_options");
        json_.open_object();
        json_.member_boolean("include_usage", true);
        json_.close_object();
    }

    const ChatRequest& request_;
    Context& context_;
    JsonOut json_;
    const Quirks& quirks_;
};

}  // namespace

Result<void> write_request(const ChatRequest& request, Context& context, ByteBuffer& out) {
    return RequestWriter(request, context, out).write();
}

}  // namespace loom::llm::openai_chat
