#include "loom/llm/told_stream.h"

#include <algorithm>

#include "loom/llm/json_text.h"
#include "loom/llm/request.h"
#include "told_state.h"

namespace loom::llm {
namespace {

constexpr size_t model_bytes_max = 256;
constexpr size_t error_bytes_max = 512;
constexpr Text rest_wanted =
    "Your last message was cut off on its way to me. Send the rest of it: begin with the very next character after the "
    "last one above, even in the middle of a word, repeat nothing of it, and add no remark about the interruption.";

size_t trailing_space(std::string_view text) noexcept {
    const size_t last = text.find_last_not_of(" \t\r\n");
    return text.size() - (last == text.npos ? 0 : last + 1);
}

void add(Usage& sum, const Usage& more) noexcept {
    if (more.provenance == Usage::Provenance::none) return;
    sum.input += more.input;
    sum.output += more.output;
    sum.cached_input += more.cached_input;
    sum.cache_write += more.cache_write;
    sum.cache_write_1h += more.cache_write_1h;
    sum.audio_input += more.audio_input;
    sum.reasoning += more.reasoning;
    sum.audio_output += more.audio_output;
    sum.total += more.total;
    sum.provenance = more.provenance;
}

}  // namespace

ToldStream::ToldStream(size_t text_bytes_max) : state_(std::make_unique<State>(text_bytes_max)) {}
ToldStream::~ToldStream() = default;

bool ToldStream::may_go_on() const noexcept { return state_->is_kept && !state_->is_finished && !state_->is_thinking; }

void ToldStream::go_on() {
    State& state = *state_;
    state.seam.emplace(state.text, trailing_space(state.text));
    add(state.before, std::exchange(state.own, {}));
    state.has_text = false;
    state.error_message.clear();
}

/// The text and a copy that grows, what is held back of the next one, and the table of its search.
size_t ToldStream::memory_bytes_max(size_t text_bytes_max) noexcept {
    return sizeof(State) + text_bytes_max * (2 + 2 + 3 * sizeof(uint32_t));
}

void ToldStream::State::keep(Text raw, Context& context) {
    const std::string_view more = plain(raw, context.arena);
    is_kept = is_kept && text.size() + more.size() <= text_bytes_max;
    if (is_kept)
        text.append(more);
    else
        text = {};
}

bool ToldStream::State::take(Delta& delta, Context& context) {
    using Kind = Delta::Kind;
    if (delta.usage != nullptr) {
        own = *delta.usage;
        delta.usage = sum(own);
    }
    const bool goes_on = seam.has_value();
    switch (delta.kind) {
        case Kind::start:
            if (context.terms.client_model.empty() && delta.model.size() <= model_bytes_max) model = delta.model;
            return !goes_on;
        case Kind::ping: return !goes_on;
        case Kind::usage:
        case Kind::end: return true;
        case Kind::error:  // the client's stream is not over: another may go on
            error_message.clear();
            if (delta.error != nullptr && delta.error->message.size() <= error_bytes_max)
                error_message = delta.error->message;
            return false;
        case Kind::finish:
            is_finished = true;
            is_kept = is_kept && delta.choice == 0;
            return true;
        case Kind::thinking:
        case Kind::signature:
        case Kind::redacted_thinking:
            is_thinking = !goes_on && delta.kind == Kind::thinking && !has(delta.signature);
            return !goes_on;
        case Kind::part_end: is_thinking = false; return !goes_on || has_text;
        case Kind::text: break;
        case Kind::citation:
        case Kind::logprobs:
            if (goes_on) return false;  // its places are not those of the whole text
            [[fallthrough]];
        default: is_kept = false; return true;
    }
    is_thinking = false;
    if (delta.choice != 0) {
        is_kept = false;
        return !goes_on;
    }
    if (goes_on) {
        fresh.clear();
        seam->take(plain(delta.text, context.arena), fresh);
        delta.text = escaped(fresh, context.arena);
        delta.signature = {};
    }
    has_text |= !delta.text.empty();
    keep(delta.text, context);
    return !goes_on || !delta.text.empty();
}

Text ToldStream::State::rest_before(const Delta& delta, Context& context) {
    using Kind = Delta::Kind;
    const bool may_come = delta.kind == Kind::text || delta.kind == Kind::thinking || delta.kind == Kind::signature ||
                          delta.kind == Kind::redacted_thinking || delta.kind == Kind::part_end ||
                          delta.kind == Kind::start || delta.kind == Kind::ping || delta.kind == Kind::usage ||
                          delta.kind == Kind::citation || delta.kind == Kind::logprobs || delta.kind == Kind::error;
    if (!seam || may_come) return "";
    fresh.clear();
    seam->end(fresh);
    if (fresh.empty()) return "";
    const Text raw = escaped(fresh, context.arena);
    has_text = true;
    keep(raw, context);
    return raw;
}

/// The turns are as a client of any protocol could send them. White space at the text's end is not shown: Anthropic's
/// API refuses it there.
void ToldStream::State::ask(ChatRequest& request, Context& context) const {
    const std::string_view shown = std::string_view(text).substr(0, text.size() - trailing_space(text));
    if (request.max_tokens > 0) {
        const uint64_t told = estimated_tokens(std::string_view(text));
        request.max_tokens -= std::min(told, request.max_tokens - 1);
    }
    if (shown.empty()) return;
    Message& said = request.messages.add(context.arena, {.role = Role::assistant});
    said.parts.add(context.arena, {.text = escaped(shown, context.arena)});
    Message& wish = request.messages.add(context.arena, {.role = Role::user});
    wish.parts.add(context.arena, {.text = rest_wanted});
}

const Usage* ToldStream::State::sum(const Usage& of_turn) {
    all = before;
    add(all, of_turn);
    return &all;
}

}  // namespace loom::llm
