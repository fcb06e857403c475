#include "context_visit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "client_connection.h"
#include "exchange.h"
#include "expected_output.h"
#include "loom/llm/history_trim.h"
#include "loom/proxy/context_plan.h"
#include "selection.h"

namespace loom::proxy {
namespace {

constexpr const char* too_long = "the prompt, and what is left for its answer, do not fit the context of this model";
constexpr int passes_max = 8;  // of a count
constexpr size_t line_bytes_max = 96;

}  // namespace

bool ContextVisit::refused(const Error& why) noexcept { return why.what == too_long; }

Result<void> ContextVisit::check(llm::Request& request) {
    const ContextPlan& plan = *x_.plan().context;
    const OnOverflow action = plan.routes[static_cast<size_t>(x_.route_ - x_.plan().routes.data())];
    const bool is_chat = llm::chat_protocol_of(x_.endpoint_).has_value() && !llm::counts_tokens(x_.endpoint_);
    if (action == OnOverflow::serve || !is_chat || x_.client_->is_nobody()) return {};
    lead(request);
    const uint64_t window = this->window();
    if (window == 0 || needed(request) <= window) return {};
    switch (action) {
        case OnOverflow::serve: break;
        case OnOverflow::refuse: return refuse(request, window);
        case OnOverflow::flag: flag(request, window); break;
        case OnOverflow::trim: return trim(request, window);
    }
    return {};
}

/// Which model it is for is chosen by what the client sent. An estimate that was made before for a rule alone is made
/// anew behind this, of what is left.
void ContextVisit::lead(const llm::Request& request) {
    Selection& selection = x_.selection();
    selection.estimate.reset();
    if (!x_.plan().experiments.empty()) x_.choose_arm(request);
    x_.choose_by_prompt(request);
    selection.is_led = true;
}

/// Of those who may be asked, the largest; 0: of one of them it is not known, or there is none, which others say.
uint64_t ContextVisit::window() const noexcept {
    if (x_.plan().selection == nullptr) return 0;
    const route::ModelMatch match = x_.match();
    if (x_.consumer_ != nullptr && !x_.consumer_->may_use_model(match.model)) return 0;
    const int only = x_.route_->provider_ix;  // of this route
    uint64_t largest = 0;
    for (const route::Candidate& one : match.candidates) {
        if (only >= 0 && one.provider_ix != static_cast<uint32_t>(only)) continue;
        if (one.weight_now() == 0 || x_.barred_from(one.provider_ix) != nullptr) continue;
        const std::string_view model = one.renamed ? std::string_view(one.upstream_model) : match.model;
        const uint64_t tokens = x_.plan().selection->capabilities.context_tokens(one.provider_ix, model);
        if (tokens == 0) return 0;
        largest = std::max(largest, tokens);
    }
    return largest;
}

uint64_t ContextVisit::needed(const llm::Request& request) const noexcept {
    return needed(request, request.prompt_tokens());
}

/// With a prompt of so many tokens: the shorter it is, the longer an answer the request's own cap leaves.
uint64_t ContextVisit::needed(const llm::Request& request, uint64_t prompt_tokens) const noexcept {
    uint64_t answer = request.max_tokens != 0 ? request.output_tokens_max() : x_.plan().context->answer_tokens;
    llm::Request shorter = request;
    shorter.prompt_tokens_counted = std::max<uint64_t>(prompt_tokens, 1);
    if (const auto cap = x_.output_cap(shorter)) answer = std::min(answer, *cap);
    return prompt_tokens + answer;
}

/// The longest prompt that fits; nothing where none does.
std::optional<uint64_t> ContextVisit::prompt_tokens_max(const llm::Request& request, uint64_t window) const noexcept {
    if (needed(request, 0) > window) return std::nullopt;
    uint64_t fits = 0, too_long = request.prompt_tokens();
    while (too_long - fits > 1) {
        const uint64_t middle = fits + (too_long - fits) / 2;
        (needed(request, middle) <= window ? fits : too_long) = middle;
    }
    return fits;
}

Result<void> ContextVisit::refuse(const llm::Request& request, uint64_t window) {
    x_.services_.metrics().context_refused.add();
    x_.detail_ = x_.text_.keep(fmt::format("{} tokens, about {} of them its prompt's; its context is {}",
                                           needed(request), request.prompt_tokens(), window));
    return fail(Errc::bad_message, Side::downstream, too_long);
}

/// In the answer's head.
template <class... Args>
void ContextVisit::tell(fmt::format_string<Args...> form, Args&&... args) {
    fmt::basic_memory_buffer<char, line_bytes_max> line;
    fmt::format_to(std::back_inserter(line), form, std::forward<Args>(args)...);
    x_.context_line_ = x_.text_.keep({line.data(), line.size()});
}

void ContextVisit::flag(const llm::Request& request, uint64_t window) {
    x_.services_.metrics().context_flagged.add();
    tell("x-loom-context-overflow: {} of {}\r\n", needed(request), window);
}

/// Of so many turns that no more would fit.
Result<void> ContextVisit::trim(llm::Request& request, uint64_t window) {
    const auto tokens_max = prompt_tokens_max(request, window);
    if (!tokens_max) return refuse(request, window);
    const llm::Tokenizer* const tokenizer =
        x_.plan().tokenizers != nullptr ? x_.plan().tokenizers->of_model(x_.model_) : nullptr;
    ByteBuffer shorter(x_.services_.shard().blocks());
    llm::TrimmedHistory gone;
    if (tokenizer != nullptr)
        gone = LOOM_TRY(drop_by_count(request, *tokenizer, *tokens_max, shorter));
    else
        gone = LOOM_TRY(drop_by_estimate(*tokens_max, shorter));
    if (gone.messages == 0) return refuse(request, window);
    LOOM_TRY(put(request, shorter));
    x_.services_.metrics().context_trimmed.add();
    x_.services_.metrics().context_messages_dropped.add(gone.messages);
    tell("x-loom-context-trimmed: {}\r\n", gone.messages);
    return {};
}

/// What each turn is estimated to be adds up: one reading says how many have to go. No messages: it does not fit.
Result<llm::TrimmedHistory> ContextVisit::drop_by_estimate(uint64_t tokens_max, ByteBuffer& shorter) {
    llm::HistoryTrim history(x_.services_.translate_scratch, x_.services_.shard().blocks());
    const llm::TrimmedHistory gone = LOOM_TRY(history.trim_to(x_.endpoint_, x_.body_.view(), tokens_max, shorter));
    if (gone.messages == 0 || gone.tokens_left > tokens_max) return llm::TrimmedHistory{};
    LOOM_TRY(hold_both(shorter));
    return gone;
}

/// Tokens of parts do not add up, and not all bytes are as many: what is left is counted again, between too little and
/// too much. No messages: it does not fit.
Result<llm::TrimmedHistory> ContextVisit::drop_by_count(const llm::Request& request, const llm::Tokenizer& tokenizer,
                                                        uint64_t tokens_max, ByteBuffer& shorter) {
    uint64_t too_little = 0, enough = 0, enough_gone = 0, bytes = bytes_over(request, tokens_max);
    bool fits = false;
    llm::TrimmedHistory gone;
    for (int pass = 1; pass <= passes_max; ++pass) {
        gone = LOOM_TRY(drop(bytes, shorter));
        if (gone.messages == 0) break;
        const uint64_t tokens = tokens_of(shorter.view(), tokenizer);
        fits = tokens <= tokens_max;
        const uint64_t off = fits ? tokens_max - tokens : tokens - tokens_max;
        const uint64_t off_bytes = request.prompt_bytes * off / tokens_before(request);
        if (fits) {
            const bool is_same = enough != 0 && gone.text_bytes == enough_gone;
            enough = bytes;
            enough_gone = gone.text_bytes;
            bytes = std::max(too_little + 1, enough_gone - std::min(off_bytes, enough_gone));
            if (is_same || bytes >= enough) break;
        } else {
            if (gone.text_bytes < bytes) break;  // no more may go
            too_little = gone.text_bytes;
            bytes = too_little + off_bytes + 1;
            if (enough != 0 && bytes >= enough) bytes = too_little + (enough - std::min(too_little, enough) + 1) / 2;
            if (enough != 0 && bytes >= enough) break;
        }
    }
    if (!fits && enough != 0) {
        gone = LOOM_TRY(drop(enough, shorter));
        fits = true;
    }
    return fits ? gone : llm::TrimmedHistory{};
}

uint64_t ContextVisit::tokens_before(const llm::Request& request) noexcept {
    return std::max<uint64_t>(request.prompt_tokens(), 1);
}

/// Of its prompt's text: what is beyond so many tokens, where each has as many bytes as the others.
uint64_t ContextVisit::bytes_over(const llm::Request& request, uint64_t tokens_max) noexcept {
    const uint64_t all = request.prompt_bytes;
    const uint64_t left = all * std::min(tokens_max, llm::tokens_bound) / tokens_before(request);
    return std::max<uint64_t>(1, all - std::min(left, all));
}

uint64_t ContextVisit::tokens_of(std::string_view document, const llm::Tokenizer& tokenizer) {
    return x_.services_.request_reader.count_prompt(x_.endpoint_, document, tokenizer, *x_.services_.token_counter);
}

/// The request's document without turns of so much text.
Result<llm::TrimmedHistory> ContextVisit::drop(uint64_t bytes, ByteBuffer& shorter) {
    shorter.clear();
    llm::HistoryTrim history(x_.services_.translate_scratch, x_.services_.shard().blocks());
    const llm::TrimmedHistory gone = LOOM_TRY(history.trim(x_.endpoint_, x_.body_.view(), bytes, shorter));
    LOOM_TRY(hold_both(shorter));
    return gone;
}

/// The request's document, and the one in its place.
Result<void> ContextVisit::hold_both(const ByteBuffer& shorter) {
    const uint64_t held = shorter.capacity() == 0 ? 0 : BlockPool::footprint(shorter.capacity());
    if (x_.try_hold(BlockPool::footprint(x_.body_.capacity()) + held)) return {};
    return fail(Errc::exhausted, Side::internal, "no memory for one more changed body (limit.bodies_in_memory)");
}

/// From now on this is what was asked, in a block of its own size.
Result<void> ContextVisit::put(llm::Request& request, ByteBuffer& shorter) {
    x_.body_.release();
    if (BlockPool::footprint(shorter.size()) < BlockPool::footprint(shorter.capacity()))
        x_.body_.append(shorter.view());
    else
        x_.body_ = std::move(shorter);
    shorter.release();
    x_.hold_less(BlockPool::footprint(x_.body_.capacity()));
    auto read = x_.services_.request_reader.read(x_.endpoint_, x_.body_.view(), llm::PromptWish::estimate);
    if (!read) return fail(Errc::bad_message, Side::internal, "the trimmed request cannot be read");
    request = *read;
    x_.count_prompt(request);
    return {};
}

}  // namespace loom::proxy
