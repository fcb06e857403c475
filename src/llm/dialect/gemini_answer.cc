#include <algorithm>
#include <charconv>

#include "gemini.h"
#include "gemini_grounding.h"
#include "gemini_grounding_writer.h"

namespace loom::llm::gemini {

namespace {

class ResponseReader {
  public:
    ResponseReader(Cursor& cursor, Context& context, Response& response) noexcept
        : cursor_(cursor), context_(context), response_(response) {}

    bool run() {
        if (cursor_.peek() == '[') return cursor_.each_element([&] { return object(); });
        return object();
    }

  private:
    bool object() {
        return cursor_.each_member([&](Range key) { return member(FieldName(cursor_, key)); });
    }

    bool member(const FieldName& field) {
        ChatAnswer& answer = response_.answer;
        if (field == "candidates") return each_item(cursor_, [&] { return candidate(); });
        if (field == "usageMetadata") {
            response_.has_usage = cursor_.peek() == '{';
            return read_usage(cursor_, answer.usage);
        }
        if (field == "modelVersion") return take_text(cursor_, answer.model);
        if (field == "responseId") return take_text(cursor_, answer.id);
        if (field == "promptFeedback") {
            return each_field(cursor_, [&](const FieldName& inner) {
                return inner == "blockReason" ? take_text(cursor_, response_.block_reason) : cursor_.skip_value();
            });
        }
        if (field == "error" && cursor_.peek() == '{') {
            response_.is_error = true;
            return read_error_object(cursor_, response_.error);
        }
        const bool is_envelope = field == "response" && cursor_.peek() == '{' && !in_envelope_;
        if (!is_envelope) return cursor_.skip_value();  // ratings and counts that no other protocol has
        in_envelope_ = true;
        return object();
    }

    bool candidate() {
        if (cursor_.peek() != '{') return cursor_.skip_value();
        response_.has_candidates = true;
        Choice choice;
        Grounding grounding;
        std::optional<int64_t> index;
        bool has_calls = false;
        const bool good = each_field(cursor_, [&](const FieldName& field) {
            if (field == "content") return content(choice, has_calls);
            if (field == "index") return take_integer(cursor_, index);
            if (field == "finishReason") return take_text(cursor_, choice.finish_text);
            if (field == "logprobsResult") return read_logprobs(cursor_, context_, choice.logprobs);
            if (field == "groundingMetadata") return read_grounding(cursor_, context_, grounding);
            if (field == "citationMetadata") return read_recitation(cursor_, context_, grounding);
            const bool is_lost = field == "urlContextMetadata" || field == "continuationToken";
            return is_lost ? lose(cursor_, context_, "", field.view()) : cursor_.skip_value();
        });
        if (!good) return false;
        if (index && *index >= 0) choice.index = static_cast<uint32_t>(std::min<int64_t>(*index, UINT32_MAX));
        choice.finish = finish_of(choice.finish_text, has_calls);
        response_.answer.choices.add(context_.arena, choice);
        response_.groundings.add(context_.arena, grounding);
        return true;
    }

    bool content(Choice& choice, bool& has_calls) {
        return each_field(cursor_, [&](const FieldName& field) {
            if (field != "parts") return cursor_.skip_value();
            return each_item(cursor_, [&] { return part(choice, has_calls); });
        });
    }

    bool part(Choice& choice, bool& has_calls) {
        Part read;
        bool found = false;
        if (!read_part(cursor_, context_, "candidates[].content.parts[].", read, found)) return false;
        if (!found) return true;
        if (read.kind == Part::Kind::tool_call) {
            has_calls = true;
            read.tool_name = context_.aliases.original_of(read.tool_name);
        }
        choice.parts.add(context_.arena, read);
        return true;
    }

    Cursor& cursor_;
    Context& context_;
    Response& response_;
    bool in_envelope_ = false;
};

/// Texts that follow each other are one, as other protocols have them: Gemini's whole answers are cut as its streams.
void join_texts(Choice& choice, Context& context) {
    ArenaList<Part> joined, run;
    const auto close = [&] {
        if (run.empty()) return;
        Part whole = run.back();
        for (Part& piece : run) piece.kind = Part::Kind::text;
        whole.text = joined_text(run, "", context.arena);
        if (!whole.text.empty() || has(whole.signature)) joined.add(context.arena, whole);
        run = {};
    };
    for (const Part& part : choice.parts) {
        const bool is_text = part.kind == Part::Kind::text || part.kind == Part::Kind::thinking;
        if (!is_text || (!run.empty() && run.back().kind != part.kind)) close();
        if (!is_text) {
            joined.add(context.arena, part);
            continue;
        }
        run.add(context.arena, part);
        if (has(part.signature)) close();
    }
    close();
    choice.parts = joined;
}

bool is_text(const Part& part) noexcept { return part.kind == Part::Kind::text; }

/// In code points of all of the text. Call it with the parts as they came.
ArenaList<Cited> cited_in(const Choice& choice, const Grounding& grounding, Context& context) {
    if (grounding.chunks.empty()) return {};
    GroundedText text;
    uint32_t index = 0;
    for (const Part& part : choice.parts) {
        if (is_text(part)) text.append(part.text, index, context);
        index += 1;
    }
    return text.find(grounding, context);
}

/// Gives each text the sources of what stands in it. Call it with joined texts.
void cite(Choice& choice, const ArenaList<Cited>& cited, Context& context) {
    uint64_t begin = 0;  // of the part in the whole text
    for (Part& part : choice.parts) {
        if (!is_text(part)) continue;
        const uint64_t end = begin + code_points(part.text);
        ArenaText array(context.arena);
        for (const Cited& one : cited) {
            if (one.span.begin < begin || one.span.begin >= end) continue;
            const Span span{one.span.begin - begin, std::min(one.span.end, end) - begin};
            array.append(array.size() == 0 ? "[" : ",").append(url_annotation(one.url, one.title, span, context.arena));
        }
        if (array.size() > 0) part.citations = array.append("]").view();
        begin = end;
    }
}

/// Answers have an id for each call, theirs or a made one.
void settle(Response& response, Context& context) {
    uint32_t made = 0;
    auto grounding = response.groundings.begin();
    for (Choice& choice : response.answer.choices) {
        const ArenaList<Cited> cited = cited_in(choice, *grounding++, context);
        join_texts(choice, context);
        cite(choice, cited, context);
        for (Part& part : choice.parts)
            if (part.kind == Part::Kind::tool_call && (!has(part.tool_id) || part.tool_id.empty()))
                part.tool_id = made_call_id(made++, context);
    }
}

struct FinishRow {
    std::string_view word;
    FinishReason reason;
};
constexpr std::array<FinishRow, 24> finish_rows = {{
    {"STOP", FinishReason::stop},
    {"MAX_TOKENS", FinishReason::length},
    {"SAFETY", FinishReason::content_filter},
    {"RECITATION", FinishReason::content_filter},
    {"BLOCKLIST", FinishReason::content_filter},
    {"PROHIBITED_CONTENT", FinishReason::content_filter},
    {"SPII", FinishReason::content_filter},
    {"MODEL_ARMOR", FinishReason::content_filter},
    {"ESCALATION", FinishReason::content_filter},
    {"PUP_LIMITED_DISABLED", FinishReason::content_filter},
    {"IMAGE_SAFETY", FinishReason::content_filter},
    {"IMAGE_PROHIBITED_CONTENT", FinishReason::content_filter},
    {"IMAGE_RECITATION", FinishReason::content_filter},
    {"MALFORMED_FUNCTION_CALL", FinishReason::error},
    {"UNEXPECTED_TOOL_CALL", FinishReason::error},
    {"TOO_MANY_TOOL_CALLS", FinishReason::error},
    {"MISSING_THOUGHT_SIGNATURE", FinishReason::error},
    {"MALFORMED_RESPONSE", FinishReason::error},
    {"CONTINUATION", FinishReason::length},  // of one request; only Google's own token goes on from there
    {"LANGUAGE", FinishReason::other},
    {"NO_IMAGE", FinishReason::other},
    {"IMAGE_OTHER", FinishReason::other},
    {"OTHER", FinishReason::other},
    {"FINISH_REASON_UNSPECIFIED", FinishReason::none},
}};

class AnswerWriter {
  public:
    AnswerWriter(const ChatAnswer& answer, Context& context, ByteBuffer& out) noexcept
        : answer_(answer), context_(context), json_(out) {}

    void run() {
        json_.open_object();
        json_.key("candidates");
        json_.open_array();
        for (const Choice& choice : answer_.choices) write_candidate(choice);
        json_.close_array();
        write_usage(answer_.usage, json_);
        write_identity(answer_.model, answer_.id, context_, json_);
        json_.close_object();
    }

  private:
    void write_candidate(const Choice& choice) {
        json_.open_object();
        json_.key("content");
        json_.open_object();
        json_.key("parts");
        json_.open_array();
        GroundingWriter grounding;
        cites_ = std::ranges::any_of(choice.parts, [](const Part& part) { return has(part.citations); });
        uint32_t index = 0;
        for (auto part = choice.parts.begin(); part != choice.parts.end();) {
            if (part->kind == Part::Kind::tool_result) {
                context_.losses.add("tool_result");
                ++part;
                continue;
            }
            if (is_text(*part)) {
                grounding.begin_part(index);
                part = write_texts(part, choice.parts.end(), grounding);
            } else {
                write_part(*part++);
            }
            index += 1;
        }
        json_.close_array();
        json_.member_string("role", "model");
        json_.close_object();
        json_.member_string("finishReason", finish_word(choice.finish));
        json_.member_number("index", choice.index);
        if (has(choice.logprobs)) write_logprobs(choice.logprobs, context_, json_);
        grounding.write(json_);
        json_.close_object();
    }

    /// Texts that follow each other are one part: others cut their text where they cite, and Google's clients count in
    /// a part, or in all of the text. Returns what is behind them.
    ArenaList<Part>::const_iterator write_texts(ArenaList<Part>::const_iterator part,
                                                ArenaList<Part>::const_iterator end, GroundingWriter& grounding) {
        ArenaList<Part> run;
        do {
            run.add(context_.arena, *part);
            if (cites_) grounding.append(part->text);
            for (const Json citation : citations_in(part->citations, context_)) grounding.add(citation, context_);
            grounding.end_text();
            ++part;
        } while (part != end && is_text(*part) && !has(run.back().signature));
        Part whole = run.back();
        whole.text = joined_text(run, "", context_.arena);
        write_text_part(whole, json_);
        return part;
    }

    void write_part(const Part& part) {
        switch (part.kind) {
            case Part::Kind::refusal:
            case Part::Kind::thinking:
            case Part::Kind::redacted_thinking: return write_text_part(part, json_);
            case Part::Kind::tool_call:
                return write_call(part, part.tool_name, arguments_object(part, context_), json_);
            default: break;
        }
        if (part.media.source == Media::Source::text) return write_text_part({.text = part.media.data}, json_);
        json_.open_object();
        write_media(part, json_);
        json_.close_object();
    }

    const ChatAnswer& answer_;
    Context& context_;
    JsonOut json_;
    bool cites_ = false;  // the candidate being written: its text is needed for places
};

}  // namespace

bool read_response(std::string_view body, Context& context, Response& response, Fault& fault) {
    Tokens tokens;
    if (!context.structure.index(body, Structure::Utf8::passed, tokens, fault)) return false;
    Cursor cursor(body, tokens);
    const bool good = ResponseReader(cursor, context, response).run() && cursor.at_end();
    if (!good) fault = cursor.fault().what != nullptr ? cursor.fault() : Fault{"bytes behind", cursor.offset()};
    return good;
}

Text made_call_id(uint32_t ordinal, Context& context) {
    constexpr size_t unique_bytes_max = 40;  // an id of OpenAI's has 64 bytes at most
    std::string_view unique = context.terms.fallback_id;
    if (unique.size() > unique_bytes_max) unique.remove_prefix(unique.size() - unique_bytes_max);
    char digits[10];
    const auto end = std::to_chars(digits, digits + sizeof digits, ordinal).ptr;
    ArenaText id(context.arena, 64);
    id.append("call_").append(escaped(unique, context.arena)).append("_");
    return id.append({digits, static_cast<size_t>(end - digits)}).view();
}

FinishReason finish_of(Text word, bool has_calls) noexcept {
    if (!has(word)) return FinishReason::none;
    const auto* const row = std::ranges::find(finish_rows, word, &FinishRow::word);
    if (row == finish_rows.end()) return FinishReason::other;
    return row->reason == FinishReason::stop && has_calls ? FinishReason::tool_calls : row->reason;
}

std::string_view finish_word(FinishReason reason) noexcept {
    switch (reason) {
        case FinishReason::length: return "MAX_TOKENS";
        case FinishReason::content_filter:
        case FinishReason::refusal: return "SAFETY";
        case FinishReason::pause:
        case FinishReason::error:
        case FinishReason::other: return "OTHER";
        default: return "STOP";
    }
}

void write_identity(Text model, Text id, Context& context, JsonOut& json) {
    const TranslateTerms& terms = context.terms;
    if (!terms.client_model.empty()) {
        json.member_string("modelVersion", terms.client_model);
    } else if (!model.empty()) {
        json.member("modelVersion", model);
    }
    if (!id.empty()) {
        json.member("responseId", id);
    } else if (!terms.fallback_id.empty()) {
        json.member_string("responseId", terms.fallback_id);
    }
}

Result<void> read_answer(std::string_view body, Context& context, ChatAnswer& answer) {
    Response response;
    Fault fault;
    if (!read_response(body, context, response, fault)) {
        context.error_offset = fault.offset;
        return fail(Errc::bad_message, Side::upstream, fault.what);
    }
    const bool blocked = has(response.block_reason);
    if (response.is_error || (!response.has_candidates && !blocked))
        return fail(Errc::bad_message, Side::upstream, "an answer without candidates");
    settle(response, context);
    answer = response.answer;
    if (!response.has_candidates)
        answer.choices.add(context.arena,
                           {.finish = FinishReason::content_filter, .finish_text = response.block_reason});
    return {};
}

void write_answer(const ChatAnswer& answer, Context& context, ByteBuffer& out) {
    AnswerWriter(answer, context, out).run();
}

}  // namespace loom::llm::gemini
