#include <algorithm>
#include <bit>
#include <memory>

#include "gemini.h"
#include "loom/base/hash.h"

namespace loom::llm::gemini {

namespace {

using Kind = Part::Kind;

/// The calls so far by their id, which Gemini wants the name of with each result: a conversation of thousands of calls
/// must not be searched for each.
class CallIndex {
  public:
    struct Call {
        Text id;
        Text name;
        uint32_t ordinal;
        Call* next;
    };

    CallIndex(const ChatRequest& request, Arena& arena) : arena_(arena) {
        uint32_t count = 0;
        for (const Message& message : request.messages)
            for (const Part& part : message.parts) count += part.kind == Kind::tool_call;
        mask_ = std::bit_ceil(count + 1) - 1;
        size_t bytes = (mask_ + 1) * sizeof(Call*) + alignof(Call*);
        void* memory = arena.take(bytes);
        memory = std::align(alignof(Call*), (mask_ + 1) * sizeof(Call*), memory, bytes);
        buckets_ = static_cast<Call**>(memory);
        std::fill_n(buckets_, mask_ + 1, nullptr);
    }

    /// An id that is used again means its last call.
    void add(const Part& call) {
        if (Call* const before = find(call.tool_id); before != nullptr) {
            before->name = call.tool_name;
            before->ordinal = ++count_;
            return;
        }
        Call*& bucket = buckets_[hash64(call.tool_id) & mask_];
        bucket = &calls_.add(arena_, {call.tool_id, call.tool_name, ++count_, bucket});
    }
    [[nodiscard]] Call* find(Text id) const noexcept {
        Call* call = buckets_[hash64(id) & mask_];
        while (call != nullptr && call->id != id) call = call->next;
        return call;
    }

  private:
    Arena& arena_;
    ArenaList<Call> calls_;
    Call** buckets_;
    size_t mask_;
    uint32_t count_ = 0;
};

struct Answered {
    const Part* part;
    Text name;
    uint32_t ordinal;
};

class ContentsWriter {
  public:
    ContentsWriter(const ChatRequest& request, Context& context, JsonOut& json)
        : context_(context),
          json_(json),
          calls_(request, context.arena),
          levels_(thinking_family(context.terms.model).kind == ThinkingFamily::Kind::level) {}

    /// Consecutive messages of one side are one content: Gemini wants the sides in turn, and all results of parallel
    /// calls together.
    Result<bool> run(const ArenaList<Message>& messages) {
        json_.key("contents");
        json_.open_array();
        bool open = false;
        for (const Message& message : messages) {
            if (has(message.name)) context_.losses.add("messages[].name");
            if (message.role == Role::system || message.role == Role::developer) continue;
            const bool is_model = message.role == Role::assistant;
            if (open && is_model != is_model_) flush();
            open = true;
            is_model_ = is_model;
            for (const Part& part : message.parts) LOOM_TRY(take(part));
        }
        if (open) flush();
        const bool system_only = !wrote_any_;
        if (system_only) write_system_as_user(messages);
        json_.close_array();
        return system_only;
    }

  private:
    Result<void> take(const Part& part) {
        if (has(part.cache_control)) context_.losses.add("cache_control");
        if (has(part.citations)) context_.losses.add("citations");
        if (has(part.media.detail) && part.media.detail != "auto") context_.losses.add("image_url.detail");
        LOOM_TRY(check_file(part));
        if (part.kind == Kind::tool_call) calls_.add(part);
        if (part.kind == Kind::tool_result) return take_result(part);
        parts_.add(context_.arena, &part);
        return {};
    }

    Result<void> take_result(const Part& part) {
        for (const Part& inner : part.content) {
            if (has(inner.citations)) context_.losses.add("citations");
            LOOM_TRY(check_file(inner));
        }
        const CallIndex::Call* const call = calls_.find(part.tool_id);
        const Text name = call != nullptr ? call->name : has(part.tool_name) ? part.tool_name : part.tool_id;
        results_.add(context_.arena, {&part, name, call != nullptr ? call->ordinal : UINT32_MAX});
        return {};
    }

    /// Google's own names of files are addresses; "file-abc123" lies with another provider.
    Result<void> check_file(const Part& part) {
        const bool has_file = is_media(part) && part.media.source == Media::Source::file_id;
        if (!has_file || part.media.data.contains('/')) return {};
        context_.error_param = "file_id";
        return fail(Errc::unsupported, Side::downstream,
                    "a file id of another provider: send the file's data or its URL");
    }

    void flush() {
        opened_ = false;
        signed_ = std::ranges::any_of(
            parts_, [](const Part* part) { return part->kind == Kind::tool_call && has(part->signature); });
        write_results();
        for (const Part* part : parts_) write(*part);
        if (opened_) {
            json_.close_array();
            json_.close_object();
        }
        parts_ = {};
        results_ = {};
    }

    /// A content is begun with its first part: one without any is refused.
    void begin_part() {
        wrote_any_ = true;
        if (opened_) return;
        opened_ = true;
        json_.open_object();
        json_.member_string("role", is_model_ ? "model" : "user");
        json_.key("parts");
        json_.open_array();
    }

    void write(const Part& part) {
        switch (part.kind) {
            case Kind::text:
            case Kind::refusal:
            case Kind::thinking: return write_text(part);
            case Kind::redacted_thinking: return context_.losses.add("redacted_thinking");
            case Kind::tool_call: return write_function_call(part);
            case Kind::tool_result: return;  // stands before, see write_results
            default: return write_media_part(part);
        }
    }

    void write_text(const Part& part) {
        if (part.text.empty() && !has(part.signature)) return;  // an empty text is refused
        begin_part();
        write_text_part(part, json_);
    }

    void write_media_part(const Part& part) {
        if (part.media.source == Media::Source::text) return write_text({.text = part.media.data});
        begin_part();
        json_.open_object();
        write_media(part, json_);
        json_.close_object();
    }

    void write_function_call(const Part& part) {
        Part call = part;
        // Models with levels refuse a turn whose first call has no signature. For calls that another model made
        // Google's page on thought signatures names a word that passes.
        if (levels_ && !signed_) call.signature = "skip_thought_signature_validator";
        signed_ = true;
        begin_part();
        write_call(call, context_.aliases.alias_of(part.tool_name, name_rule), arguments_object(part, context_), json_);
    }

    // results

    /// In the order of their calls, before all else that the user says.
    void write_results() {
        if (results_.empty()) return;
        const uint32_t count = results_.count();
        size_t bytes = count * sizeof(Answered) + alignof(Answered);
        void* memory = context_.arena.take(bytes);
        memory = std::align(alignof(Answered), count * sizeof(Answered), memory, bytes);
        const std::span<Answered> sorted(static_cast<Answered*>(memory), count);
        std::ranges::uninitialized_copy(results_, sorted);
        uint32_t place = 0;
        for (Answered& result : sorted)  // those of no call keep their place, behind
            if (result.ordinal == UINT32_MAX) result.ordinal = UINT32_MAX - count + place++;
        std::ranges::sort(sorted, {}, [](const Answered& result) { return result.ordinal; });
        for (const Answered& result : sorted) write_result(result);
    }

    void write_result(const Answered& result) {
        const Part& part = *result.part;
        begin_part();
        json_.open_object();
        json_.key("functionResponse");
        json_.open_object();
        if (!part.tool_id.empty()) json_.member("id", part.tool_id);
        json_.member("name", context_.aliases.alias_of(result.name, name_rule));
        json_.key("response");
        write_response(part);
        write_result_media(part);
        json_.close_object();
        json_.close_object();
    }

    /// "Use "output" key to specify function output and "error" key to specify error details (if any)."
    void write_response(const Part& part) {
        if (has(part.result_json) && part.result_json.starts_with('{') && !part.is_error)
            return json_.json(part.result_json);
        json_.open_object();
        json_.key(part.is_error ? "error" : "output");
        if (has(part.result_json)) {
            json_.json(part.result_json);
        } else {
            const Text text = joined_text(part.content, "\\n", context_.arena);
            json_.text(has(text) ? text : "");
        }
        json_.close_object();
    }

    static bool is_media(const Part& part) noexcept {
        return part.kind == Kind::image || part.kind == Kind::audio || part.kind == Kind::video ||
               part.kind == Kind::file;
    }

    /// Images and files of a result stand inside it where the model knows that, else behind what the user says.
    void write_result_media(const Part& part) {
        bool opened = false;
        for (const Part& inner : part.content) {
            if (!is_media(inner)) continue;
            if (!levels_ || inner.media.source == Media::Source::text) {
                parts_.add(context_.arena, &inner);
                continue;
            }
            if (!opened) {
                json_.key("parts");
                json_.open_array();
            }
            opened = true;
            json_.open_object();
            write_media(inner, json_);
            json_.close_object();
        }
        if (opened) json_.close_array();
    }

    /// A conversation must have a content; of system texts alone they are it.
    void write_system_as_user(const ArenaList<Message>& messages) {
        is_model_ = false;
        opened_ = false;
        for (const Message& message : messages) {
            if (message.role != Role::system && message.role != Role::developer) continue;
            for (const Part& part : message.parts)
                if (part.kind == Kind::text) write_text(part);
        }
        if (!opened_) return;
        json_.close_array();
        json_.close_object();
    }

    Context& context_;
    JsonOut& json_;
    CallIndex calls_;
    bool levels_;
    bool is_model_ = false;
    ArenaList<const Part*> parts_;  // of the content at hand, results apart
    ArenaList<Answered> results_;
    bool opened_ = false;
    bool signed_ = false;  // a call of the content at hand has its signature, or was given one
    bool wrote_any_ = false;
};

}  // namespace

Result<bool> write_contents(const ChatRequest& request, Context& context, JsonOut& json) {
    return ContentsWriter(request, context, json).run(request.messages);
}

}  // namespace loom::llm::gemini
