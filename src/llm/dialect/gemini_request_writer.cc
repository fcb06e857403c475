#include <algorithm>

#include "gemini.h"

namespace loom::llm::gemini {

namespace {

/// Tools that a provider runs itself, by the front of the names that they go by.
struct ProviderTool {
    std::string_view type;
    std::string_view field;
};
constexpr std::array<ProviderTool, 9> provider_tools = {{{"google_search_retrieval", "googleSearchRetrieval"},
                                                         {"google_search", "googleSearch"},
                                                         {"web_search", "googleSearch"},
                                                         {"google_maps", "googleMaps"},
                                                         {"code_execution", "codeExecution"},
                                                         {"code_interpreter", "codeExecution"},
                                                         {"url_context", "urlContext"},
                                                         {"web_fetch", "urlContext"},
                                                         {"file_search_store", "fileSearch"}}};

class RequestWriter {
  public:
    RequestWriter(const ChatRequest& request, Context& context, ByteBuffer& out) noexcept
        : request_(request), context_(context), json_(out) {}

    Result<void> run() {
        json_.open_object();
        return write_members();
    }
    /// The Gemini API weighs instructions and tools of a whole request alone, which names its model once more.
    Result<void> run_for_count() {
        json_.open_object();
        json_.key("generateContentRequest");
        json_.open_object();
        json_.key("model");
        json_.open_text();
        json_.piece("models/");
        json_.escaped(context_.terms.model);
        json_.close_text();
        LOOM_TRY(write_members());
        json_.close_object();
        return {};
    }

  private:
    Result<void> write_members() {
        const bool system_is_written = LOOM_TRY(write_contents(request_, context_, json_));
        if (!system_is_written) write_system();
        write_tools();
        write_tool_config();
        write_generation_config();
        write_service_tier();
        json_.close_object();
        note_losses();
        return {};
    }
    void write_system() {
        bool open = false;
        for (const Message& message : request_.messages) {
            if (message.role != Role::system && message.role != Role::developer) continue;
            for (const Part& part : message.parts) {
                if (part.kind != Part::Kind::text) context_.losses.add("messages[].content[]");
                if (part.kind != Part::Kind::text || part.text.empty()) continue;
                if (has(part.cache_control)) context_.losses.add("cache_control");
                if (!open) open_system();
                open = true;
                json_.open_object();
                json_.member("text", part.text);
                json_.close_object();
            }
        }
        if (!open) return;
        json_.close_array();
        json_.close_object();
    }
    void open_system() {
        json_.key("systemInstruction");
        json_.open_object();
        json_.key("parts");
        json_.open_array();
    }

    // tools

    void write_tools() {
        if (request_.tools.empty()) return;
        json_.key("tools");
        json_.open_array();
        write_functions();
        for (const Tool& tool : request_.tools)
            if (!tool.is_function) write_provider_tool(tool);
        json_.close_array();
    }

    void write_functions() {
        for (const Tool& tool : request_.tools) {
            if (!tool.is_function) continue;
            if (!has_functions_) {
                json_.open_object();
                json_.key("functionDeclarations");
                json_.open_array();
            }
            has_functions_ = true;
            write_function(tool);
        }
        if (!has_functions_) return;
        json_.close_array();
        json_.close_object();
    }

    void write_function(const Tool& tool) {
        strict_ |= tool.strict.value_or(false);
        if (has(tool.cache_control)) context_.losses.add("cache_control");
        json_.open_object();
        json_.member("name", context_.aliases.alias_of(tool.name, name_rule));
        json_.member("description", tool.description);
        // `parameters` knows a subset of OpenAPI and refuses all else ("additionalProperties"); this one is JSON
        // Schema.
        json_.member_json("parametersJsonSchema", tool.schema);
        json_.close_object();
    }

    void write_provider_tool(const Tool& tool) {
        const auto* const row = std::ranges::find_if(
            provider_tools, [&tool](const ProviderTool& known) { return tool.type.starts_with(known.type); });
        if (row == provider_tools.end()) {
            ArenaText name(context_.arena, 64);
            context_.losses.add(name.append("tools[].").append(tool.type).view());
            return;
        }
        json_.open_object();
        json_.key(row->field);
        json_.open_object();
        json_.close_object();
        json_.close_object();
        note_options(tool);
    }

    /// Other providers' options of such a tool (domains, uses at most) are not Google's.
    void note_options(const Tool& tool) {
        Tokens tokens;
        Fault fault;
        if (!has(tool.raw) || !context_.nested.index(tool.raw, Structure::Utf8::passed, tokens, fault)) return;
        Cursor cursor(tool.raw, tokens);
        if (cursor.peek() != '{') return;
        (void)cursor.each_member([&](Range key) {
            const std::string_view name = name_of(cursor, key);
            if (name == "type" || name == "name") return cursor.skip_value();
            return lose(cursor, context_, "tools[].", name);
        });
    }

    /// A choice among no functions is refused.
    void write_tool_config() {
        const ToolChoice& choice = request_.tool_choice;
        if (!has_functions_) return;
        if (choice.parallel && !*choice.parallel) context_.losses.add("parallel_tool_calls");
        const std::string_view mode = mode_of(choice.kind);
        if (mode.empty()) return;
        json_.key("toolConfig");
        json_.open_object();
        json_.key("functionCallingConfig");
        json_.open_object();
        json_.member_string("mode", mode);
        if (choice.kind == ToolChoice::Kind::named) {
            json_.key("allowedFunctionNames");
            json_.open_array();
            json_.text(context_.aliases.alias_of(choice.name, name_rule));
            json_.close_array();
        }
        json_.close_object();
        json_.close_object();
    }

    /// VALIDATED is AUTO with arguments that keep to their schema, as ANY's do: what others call strict.
    [[nodiscard]] std::string_view mode_of(ToolChoice::Kind kind) const noexcept {
        switch (kind) {
            case ToolChoice::Kind::unset: return strict_ ? "VALIDATED" : "";
            case ToolChoice::Kind::automatic: return strict_ ? "VALIDATED" : "AUTO";
            case ToolChoice::Kind::none: return "NONE";
            case ToolChoice::Kind::any:
            case ToolChoice::Kind::named: return "ANY";
        }
        return "";
    }

    // generationConfig

    void write_generation_config() {
        json_.key("generationConfig");
        json_.open_object();
        write_sampling();
        write_stop();
        write_format();
        write_logprobs_setting();
        write_thinking(request_, context_, json_);
        json_.close_object();
    }

    void write_number(std::string_view field, Json number, double low, double high, std::string_view name) {
        if (has(number)) json_.member_json(field, clamped(number, low, high, name, context_));
    }

    void write_sampling() {
        const Quirks& quirks = context_.terms.quirks;
        write_number("temperature", request_.temperature, 0, 2, "temperature");
        write_number("topP", request_.top_p, 0, 1, "top_p");
        write_number("topK", request_.top_k, 1, INT32_MAX, "top_k");
        if (request_.max_tokens > 0)
            json_.member_number("maxOutputTokens", std::min<uint64_t>(request_.max_tokens, INT32_MAX));
        if (carried(request_.n > 1, quirks.no_n, "n")) {
            if (request_.n > candidates_max) context_.losses.add("n");
            json_.member_number("candidateCount", std::min(request_.n, candidates_max));
        }
        if (carried(has(request_.seed), quirks.no_seed, "seed"))
            write_number("seed", request_.seed, INT32_MIN, INT32_MAX, "seed");
        if (carried(has(request_.presence_penalty), quirks.no_penalties, "presence_penalty"))
            write_number("presencePenalty", request_.presence_penalty, -2, 2, "presence_penalty");
        if (carried(has(request_.frequency_penalty), quirks.no_penalties, "frequency_penalty"))
            write_number("frequencyPenalty", request_.frequency_penalty, -2, 2, "frequency_penalty");
    }

    bool carried(bool present, bool refused, std::string_view name) {
        if (present && refused) context_.losses.add(name);
        return present && !refused;
    }

    void write_stop() {
        if (request_.stop.empty()) return;
        json_.key("stopSequences");
        json_.open_array();
        uint32_t count = 0;
        for (const Text word : request_.stop)
            if (count++ < stops_max) json_.text(word);
        json_.close_array();
        if (count > stops_max) context_.losses.add("stop");
    }

    void write_format() {
        const ResponseFormat& format = request_.format;
        if (format.kind == ResponseFormat::Kind::unset || format.kind == ResponseFormat::Kind::text) return;
        json_.member_string("responseMimeType", "application/json");
        if (format.kind == ResponseFormat::Kind::json_schema) json_.member_json("responseJsonSchema", format.schema);
        if (has(format.description)) context_.losses.add("response_format.json_schema.description");
    }

    void write_logprobs_setting() {
        if (!carried(request_.logprobs.value_or(false), context_.terms.quirks.no_logprobs, "logprobs")) return;
        json_.member_boolean("responseLogprobs", true);
        if (request_.top_logprobs > 0) json_.member_number("logprobs", std::min(request_.top_logprobs, logprobs_max));
    }

    void write_service_tier() {
        const Text tier = request_.service_tier;
        if (!has(tier) || tier == "auto") return;
        if (tier == "default" || tier == "flex" || tier == "priority") {
            json_.member("serviceTier", tier == "default" ? Text("standard") : tier);
        } else if (tier == "fast") {  // OpenAI's other word for it
            json_.member("serviceTier", "priority");
        } else {
            context_.losses.add("service_tier");
        }
    }

    void note_losses() {
        const auto note = [this](bool lost, std::string_view name) {
            if (lost) context_.losses.add(name);
        };
        note(has(request_.logit_bias) && request_.logit_bias != "{}", "logit_bias");
        note(has(request_.user), "user");
        note(has(request_.verbosity) && request_.verbosity != "medium", "verbosity");
        note(has(request_.prompt_cache_key), "prompt_cache_key");
        note(has(request_.metadata) && request_.metadata != "{}", "metadata");
        note(has(request_.reasoning.summary) && request_.reasoning.summary != "auto", "reasoning.summary");
    }

    static constexpr uint32_t candidates_max = 8;
    static constexpr uint32_t stops_max = 5;
    static constexpr uint32_t logprobs_max = 20;

    const ChatRequest& request_;
    Context& context_;
    JsonOut json_;
    bool has_functions_ = false;
    bool strict_ = false;
};

}  // namespace

Result<void> write_count_request(const ChatRequest& request, Context& context, ByteBuffer& out) {
    return RequestWriter(request, context, out).run_for_count();
}

Result<void> write_request(const ChatRequest& request, Context& context, ByteBuffer& out) {
    return RequestWriter(request, context, out).run();
}

}  // namespace loom::llm::gemini
