#include "openai_responses.h"

#include <array>

#include "reasoning.h"

namespace loom::llm::responses {

namespace {

constexpr NameRule name_rule{.bytes_max = 64};
constexpr NameRule id_rule{.bytes_max = 64, .dots = true};
constexpr uint64_t max_tokens_min = 16;  // OpenAI refuses less

class RequestWriter {
  public:
    RequestWriter(const ChatRequest& request, Context& context, ByteBuffer& out)
        : request_(request), context_(context), json_(out) {}

    Result<void> write() {
        json_.open_object();
        LOOM_TRY(write_prompt());
        write_sampling();
        write_words();
        json_.close_object();
        return {};
    }
    /// What is counted.
    Result<void> write_counted() {
        json_.open_object();
        LOOM_TRY(write_prompt());
        json_.close_object();
        return {};
    }

  private:
    Result<void> write_prompt() {
        json_.member_string("model", context_.terms.model);
        LOOM_TRY(write_conversation());
        write_tools();
        write_format();
        write_reasoning();
        return {};
    }
    Result<void> unsupported(const char* param, const char* what) {
        context_.error_param = param;
        return fail(Errc::unsupported, Side::downstream, what);
    }
    void lose_if(bool present, std::string_view name) {
        if (present) context_.losses.add(name);
    }

    // the conversation

    Result<void> write_conversation() {
        auto message = request_.messages.begin();
        // A request of instructions alone is refused: then they are its input.
        const bool has_instructions = request_.messages.count() > 1 && message->role == Role::system;
        if (has_instructions) {
            json_.member("instructions", joined_text(message->parts, "\\n\\n", context_.arena));
            for (const Part& part : message->parts) {
                lose_if(has(part.cache_control), "cache_control");
                lose_if(part.kind != Part::Kind::text, "instructions");  // which are a text
            }
            lose_if(has(message->name), "messages[].name");
            ++message;
        }
        json_.key("input");
        json_.open_array();
        for (; message != request_.messages.end(); ++message) {
            lose_if(has(message->name), "messages[].name");
            LOOM_TRY(write_items(*message));
        }
        json_.close_array();
        return {};
    }

    /// Parts that belong to a message stand together in it; calls, results and thinking are items of their own.
    Result<void> write_items(const Message& message) {
        bool is_open = false;
        for (const Part& part : message.parts) {
            const bool is_content = part.kind != Part::Kind::tool_call && part.kind != Part::Kind::tool_result &&
                                    part.kind != Part::Kind::thinking && part.kind != Part::Kind::redacted_thinking;
            if (is_content && !is_open) open_message(message.role);
            if (!is_content && is_open) close_message();
            is_open = is_content;
            lose_if(has(part.cache_control), "cache_control");
            if (is_content) {
                LOOM_TRY(write_content(part, message.role));
            } else {
                LOOM_TRY(write_item(part));
            }
        }
        if (is_open) close_message();
        return {};
    }
    void open_message(Role role) {
        json_.open_object();
        json_.member("type", "message");
        json_.member("role", role_name(role));
        json_.key("content");
        json_.open_array();
    }
    void close_message() {
        json_.close_array();
        json_.close_object();
    }
    std::string_view role_name(Role role) const {
        if (role == Role::assistant) return "assistant";
        if (role == Role::system) return "system";
        if (role == Role::developer) return context_.terms.quirks.no_developer_role ? "system" : "developer";
        return "user";
    }

    Result<void> write_content(const Part& part, Role role) {
        using Kind = Part::Kind;
        const bool is_own = part.kind == Kind::text && role == Role::assistant;
        lose_if(!is_own && has(part.citations), "citations");
        if (part.kind == Kind::image) return write_image(part.media);
        if (part.kind == Kind::file) return write_file(part.media);
        if (part.kind == Kind::audio) return write_audio(part.media);
        if (part.kind == Kind::video) return unsupported("messages", "this provider takes no video");
        const bool is_refusal = part.kind == Kind::refusal;
        json_.open_object();
        json_.member("type", is_refusal ? "refusal" : role == Role::assistant ? "output_text" : "input_text");
        json_.member(is_refusal ? "refusal" : "text", has(part.text) ? part.text : Text(""));
        if (is_own && has(part.citations)) write_pages(part);
        json_.close_object();
        return {};
    }
    /// Pages are anybody's; the id of a file is of the provider that gave it.
    void write_pages(const Part& part) {
        const uint64_t text_size = code_points(part.text);
        json_.key("annotations");
        json_.open_array();
        for (const Json citation : citations_in(part.citations, context_)) {
            Citation read;
            const bool is_page = read_citation(citation, context_, read) && read.kind == Citation::Kind::url;
            const Json annotation = is_page ? annotation_of(citation, text_size, context_) : Json();
            if (has(annotation)) json_.json(annotation);
            lose_if(!has(annotation), "citations");
        }
        json_.close_array();
    }

    void data_url(std::string_view name, const Media& media, std::string_view type_otherwise) {
        json_.key(name);
        json_.open_text();
        json_.piece("data:");
        json_.piece(has(media.media_type) ? media.media_type : type_otherwise);
        json_.piece(";base64,");
        json_.piece(media.data);
        json_.close_text();
    }

    Result<void> write_image(const Media& media) {
        if (media.source == Media::Source::text) return unsupported("messages", "an image cannot be plain text");
        json_.open_object();
        json_.member("type", "input_image");
        if (media.source == Media::Source::file_id) json_.member("file_id", media.data);
        if (media.source == Media::Source::url) json_.member("image_url", media.data);
        if (media.source == Media::Source::base64) data_url("image_url", media, "image/png");
        json_.member("detail", has(media.detail) ? media.detail : Text("auto"));
        json_.close_object();
        return {};
    }

    Result<void> write_file(const Media& media) {
        json_.open_object();
        if (media.source == Media::Source::text) {  // a document of plain text is text here
            json_.member("type", "input_text");
            json_.member("text", media.data);
        } else {
            json_.member("type", "input_file");
            if (media.source == Media::Source::file_id) json_.member("file_id", media.data);
            if (media.source == Media::Source::url) json_.member("file_url", media.data);
            if (media.source == Media::Source::base64) {
                json_.member("filename", has(media.name) ? media.name : Text("file.pdf"));  // which OpenAI demands
                data_url("file_data", media, "application/pdf");
            }
        }
        json_.close_object();
        return {};
    }

    Result<void> write_audio(const Media& media) {
        const bool is_wav = media.media_type.find("wav") != media.media_type.npos;
        const bool is_mp3 = media.media_type == "audio/mpeg" || media.media_type == "audio/mp3";
        if (media.source != Media::Source::base64 || (!is_wav && !is_mp3))
            return unsupported("messages", "this provider takes audio as base64 in wav or mp3 only");
        json_.open_object();
        json_.member("type", "input_audio");
        json_.key("input_audio");
        json_.open_object();
        json_.member("data", media.data);
        json_.member("format", is_wav ? "wav" : "mp3");
        json_.close_object();
        json_.close_object();
        return {};
    }

    Result<void> write_item(const Part& part) {
        switch (part.kind) {
            case Part::Kind::tool_call: write_call(part); return {};
            case Part::Kind::tool_result: return write_result(part);
            case Part::Kind::thinking: write_thinking(part); return {};
            default: context_.losses.add("redacted_thinking"); return {};  // never OpenAI's own
        }
    }

    void write_call(const Part& part) {
        lose_if(has(part.signature), "signature");
        json_.open_object();
        json_.member("type", "function_call");
        json_.member("call_id", context_.aliases.alias_of(part.tool_id, id_rule));
        json_.member("name", context_.aliases.alias_of(part.tool_name, name_rule));
        if (has(part.arguments)) {
            json_.member_string("arguments", part.arguments);
        } else {
            json_.member("arguments", is_blank(part.arguments_text) ? Text("{}") : part.arguments_text);
        }
        json_.close_object();
    }

    Result<void> write_result(const Part& part) {
        lose_if(part.is_error, "is_error");
        json_.open_object();
        json_.member("type", "function_call_output");
        json_.member("call_id", context_.aliases.alias_of(part.tool_id, id_rule));
        bool is_text = true;
        for (const Part& one : part.content) is_text &= one.kind == Part::Kind::text;
        if (has(part.result_json)) {
            json_.member_string("output", part.result_json);
        } else if (is_text) {
            const Text text = joined_text(part.content, "\\n", context_.arena);
            json_.member("output", has(text) ? text : Text(""));
        } else {
            json_.key("output");
            json_.open_array();
            for (const Part& one : part.content) LOOM_TRY(write_content(one, Role::user));
            json_.close_array();
        }
        json_.close_object();
        return {};
    }

    /// Only with a proof of OpenAI's own: without one the API refuses the item, and another's would be garbage.
    void write_thinking(const Part& part) {
        const bool is_ours = has(part.signature) && part.signature.starts_with("loom.");
        const auto proof = is_ours ? unsealed(part.signature, Protocol::openai_responses) : std::nullopt;
        if (!proof) return context_.losses.add("thinking");
        json_.open_object();
        json_.member("type", "reasoning");
        json_.key("summary");
        json_.open_array();
        if (!part.text.empty()) {
            json_.open_object();
            json_.member("type", "summary_text");
            json_.member("text", part.text);
            json_.close_object();
        }
        json_.close_array();
        json_.member("encrypted_content", proof->opaque);
        json_.close_object();
        has_thinking_ = true;
    }

    // tools

    void write_tools() {
        uint32_t count = 0;
        for (const Tool& tool : request_.tools) {
            if (!tool.is_function && !has(hosted_tool(tool))) {
                context_.losses.add("tools[].type");
                continue;
            }
            if (count++ == 0) {
                json_.key("tools");
                json_.open_array();
            }
            write_tool(tool);
        }
        if (count == 0) return;
        json_.close_array();
        write_choice();
        if (request_.tool_choice.parallel && !context_.terms.quirks.no_parallel_tool_calls)
            json_.member_boolean("parallel_tool_calls", *request_.tool_choice.parallel);
    }

    /// A tool that the provider runs: as it stands for a client of our own protocol, else by what it does.
    Json hosted_tool(const Tool& tool) const {
        if (context_.terms.client == Protocol::openai_responses) return tool.raw;
        if (tool.type.starts_with("web_search") || tool.type.starts_with("google_search"))
            return R"({"type":"web_search"})";
        if (tool.type.starts_with("code_execution") || tool.type == "code_interpreter")
            return R"({"type":"code_interpreter","container":{"type":"auto"}})";
        return {};
    }

    void write_tool(const Tool& tool) {
        if (!tool.is_function) return json_.json(hosted_tool(tool));
        lose_if(has(tool.cache_control), "cache_control");
        json_.open_object();
        json_.member("type", "function");
        json_.member("name", context_.aliases.alias_of(tool.name, name_rule));
        json_.member("description", tool.description);
        json_.member_json("parameters", has(tool.schema) ? tool.schema : Json(R"({"type":"object","properties":{}})"));
        json_.member_boolean("strict", tool.strict.value_or(false));  // unsaid it is true here, and nowhere else
        json_.close_object();
    }

    void write_choice() {
        using Kind = ToolChoice::Kind;
        switch (request_.tool_choice.kind) {
            case Kind::unset: return;
            case Kind::automatic: return json_.member("tool_choice", "auto");
            case Kind::none: return json_.member("tool_choice", "none");
            case Kind::any: return json_.member("tool_choice", "required");
            case Kind::named: break;
        }
        json_.key("tool_choice");
        json_.open_object();
        json_.member("type", "function");
        json_.member("name", context_.aliases.alias_of(request_.tool_choice.name, name_rule));
        json_.close_object();
    }

    // the answer's form, the thinking

    void write_format() {
        using Kind = ResponseFormat::Kind;
        const ResponseFormat& format = request_.format;
        if (format.kind == Kind::unset && !has(request_.verbosity)) return;
        json_.key("text");
        json_.open_object();
        if (format.kind != Kind::unset) {
            json_.key("format");
            json_.open_object();
            const bool is_schema = format.kind == Kind::json_schema && !context_.terms.quirks.no_json_schema;
            lose_if(format.kind == Kind::json_schema && !is_schema, "response_format.json_schema");
            json_.member("type", is_schema ? "json_schema" : format.kind == Kind::text ? "text" : "json_object");
            if (is_schema) write_schema(format);
            json_.close_object();
        }
        json_.member("verbosity", request_.verbosity);
        json_.close_object();
    }
    void write_schema(const ResponseFormat& format) {
        json_.member("name", has(format.name) ? context_.aliases.alias_of(format.name, name_rule) : Text("response"));
        json_.member("description", format.description);
        json_.member_json("schema", format.schema);
        if (format.strict) json_.member_boolean("strict", *format.strict);
    }

    void write_reasoning() {
        const Reasoning& reasoning = request_.reasoning;
        const Reasoning::Effort effort = openai_effort(reasoning, context_);
        const bool is_shown = has(reasoning.summary) || reasoning.include_thoughts.value_or(false);
        if (effort == Reasoning::Effort::unset && !is_shown) return;
        has_thinking_ = true;
        json_.key("reasoning");
        json_.open_object();
        if (effort != Reasoning::Effort::unset) json_.member("effort", effort_name(effort));
        if (is_shown) json_.member("summary", has(reasoning.summary) ? reasoning.summary : Text("auto"));
        json_.close_object();
    }

    // the rest

    void write_sampling() {
        const ChatRequest& r = request_;
        if (r.max_tokens != 0) {
            lose_if(r.max_tokens < max_tokens_min, "max_tokens");
            json_.member_number("max_output_tokens", std::max(r.max_tokens, max_tokens_min));
        }
        if (has(r.temperature)) json_.member_json("temperature", clamped(r.temperature, 0, 2, "temperature", context_));
        if (has(r.top_p)) json_.member_json("top_p", clamped(r.top_p, 0, 1, "top_p", context_));
        if (r.top_logprobs != 0 && !context_.terms.quirks.no_logprobs)
            json_.member_number("top_logprobs", r.top_logprobs);
        lose_if(has(r.top_k), "top_k");
        lose_if(has(r.seed), "seed");
        lose_if(has(r.presence_penalty), "presence_penalty");
        lose_if(has(r.frequency_penalty), "frequency_penalty");
        lose_if(has(r.logit_bias), "logit_bias");
        lose_if(!r.stop.empty(), "stop");
        lose_if(r.n > 1, "n");
        lose_if(context_.terms.quirks.no_logprobs && r.logprobs.value_or(false), "logprobs");
    }

    void write_words() {
        const ChatRequest& r = request_;
        if (!context_.terms.quirks.no_user) json_.member("user", r.user);
        json_.member_json("metadata", r.metadata);
        json_.member("prompt_cache_key", r.prompt_cache_key);
        write_tier();
        json_.member_boolean("store", false);  // nobody would find it: its id is the client's protocol's
        write_include();
        if (r.stream) json_.member_boolean("stream", true);
    }
    void write_tier() {
        constexpr std::array<std::string_view, 7> tiers = {"auto",     "default", "flex",     "scale",
                                                           "priority", "fast",    "ultrafast"};
        if (!has(request_.service_tier)) return;
        for (const std::string_view tier : tiers)
            if (tier == request_.service_tier) return json_.member("service_tier", tier);
        context_.losses.add("service_tier");
    }
    /// The proof of the thinking is asked for where there is thinking: models without refuse it.
    void write_include() {
        const bool has_logprobs = request_.logprobs.value_or(false) && !context_.terms.quirks.no_logprobs;
        if (!has_thinking_ && !has_logprobs) return;
        json_.key("include");
        json_.open_array();
        if (has_thinking_) json_.text("reasoning.encrypted_content");
        if (has_logprobs) json_.text("message.output_text.logprobs");
        json_.close_array();
    }

    const ChatRequest& request_;
    Context& context_;
    JsonOut json_;
    bool has_thinking_ = false;
};

}  // namespace

Result<void> write_count_request(const ChatRequest& request, Context& context, ByteBuffer& out) {
    return RequestWriter(request, context, out).write_counted();
}

Result<void> write_request(const ChatRequest& request, Context& context, ByteBuffer& out) {
    return RequestWriter(request, context, out).write();
}

}  // namespace loom::llm::responses
