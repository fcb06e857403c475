// How many tokens a request may take, and how many it has.
#include "loom/proxy/request_cap.h"

#include <fmt/format.h>

#include <algorithm>

#include "exchange.h"
#include "expected_output.h"

namespace loom::proxy {
namespace {

constexpr size_t words_bytes_max = 128;
constexpr const char* prompt_too_long =
    "the prompt has more tokens than a request may take here (max_tokens_per_request)";
constexpr const char* unclear_bound =
    "maxOutputTokens must be a number of digits that stands once, under its own name (max_tokens_per_request)";
constexpr const char* answer_too_long =
    "the request asks for more tokens than it may take here (max_tokens_per_request)";

}  // namespace

/// Where its model's tokenizer is known, how many tokens it is indeed.
void Exchange::count_prompt(llm::Request& request) {
    const llm::Tokenizer* const tokenizer =
        plan().tokenizers != nullptr ? plan().tokenizers->of_model(model_) : nullptr;
    if (tokenizer != nullptr)
        request.prompt_tokens_counted =
            services_.request_reader.count_prompt(endpoint_, body_.view(), *tokenizer, *services_.token_counter);
    prompt_ = PromptTokens::of(request);
}

/// For each choice of its answer; nothing where it may take any number.
std::optional<uint64_t> Exchange::output_cap(const llm::Request& request) const noexcept {
    const RequestCaps* const caps = plan().request_caps.get();
    if (caps == nullptr || llm::counts_tokens(endpoint_)) return std::nullopt;
    const bool is_known = consumer_ != nullptr;
    const uint64_t all = caps->of(is_known ? std::string_view(consumer_->name) : std::string_view(),
                                  is_known ? std::string_view(consumer_->tier) : std::string_view(),
                                  static_cast<size_t>(route_ - plan().routes.data()));
    if (all == 0) return std::nullopt;
    const uint64_t left = all - std::min(all, request.prompt_tokens());
    return makes_output(endpoint_) ? left / std::max<uint64_t>(request.n, 1) : left;
}

/// A copy for a shadow is nobody's, and knows of no caps but of those of all: where its client has others, it has none.
bool Exchange::copy_is_capped_alike() const noexcept {
    const RequestCaps* const caps = plan().request_caps.get();
    if (caps == nullptr || consumer_ == nullptr) return true;
    const auto route_ix = static_cast<size_t>(route_ - plan().routes.data());
    return caps->of(consumer_->name, consumer_->tier, route_ix) == caps->of({}, {}, route_ix);
}

/// The prompt alone may be too long. What is asked for beyond is lowered here, for whoever reserves it, and in the
/// document when it is made (cap_document).
Result<void> Exchange::check_request_cap(llm::Request& request) {
    const auto cap = output_cap(request);
    if (!cap) return {};
    if (*cap == 0) {
        detail_ = text_.keep(fmt::format("{} tokens", request.prompt_tokens()));
        return fail(Errc::bad_message, Side::downstream, prompt_too_long);
    }
    if (!makes_output(endpoint_)) return {};
    if (request.has_unclear_bound) return fail(Errc::bad_message, Side::downstream, unclear_bound);
    if (request.max_tokens > *cap && plan().request_caps->refuses) {
        detail_ = text_.keep(fmt::format("{} are left for its answer", *cap));
        return fail(Errc::bad_message, Side::downstream, answer_too_long);
    }
    request.max_tokens = request.max_tokens == 0 ? *cap : std::min(request.max_tokens, *cap);
    return {};
}

/// As it was read first, when it has waited: by now the reader has read for others, and a draft may be of another
/// document. What is known of it beside its document, its counted prompt and its cap, is known again.
Result<llm::Request> Exchange::read_again() {
    llm::Request request =
        LOOM_TRY(services_.request_reader.read(endpoint_, body_.view(), prompt_wish(plan(), endpoint_)));
    prompt_.tell(request);
    const auto cap = makes_output(endpoint_) ? output_cap(request) : std::nullopt;
    if (!cap) return request;
    const uint64_t bound = std::max<uint64_t>(*cap, 1);
    request.max_tokens = request.max_tokens == 0 ? bound : std::min(request.max_tokens, bound);
    return request;
}

/// Of a document that goes on with edits.
void Exchange::cap_document(std::string_view body) {
    const auto left = makes_output(endpoint_) ? output_cap(draft_->request) : std::nullopt;
    if (!left) return;
    const uint64_t cap = std::max<uint64_t>(*left, 1);
    const std::string_view name = llm::output_bound_name(endpoint_, provider_->quirks.max_tokens_only);
    fmt::basic_memory_buffer<char, words_bytes_max> text;
    const auto keep = [&]<class... Args>(fmt::format_string<Args...> form, Args&&... args) {
        text.clear();
        fmt::format_to(std::back_inserter(text), form, std::forward<Args>(args)...);
        return text_.keep({text.data(), text.size()});
    };
    const std::string_view member = keep("\"{}\":{},", name, cap);
    const std::string_view inside = keep("\"generationConfig\":{{\"{}\":{}}},", name, cap);
    llm::cap_output(draft_->edits, draft_->request, endpoint_, body,
                    {.number = keep("{}", cap),
                     .member = member.substr(0, member.size() - 1),
                     .in_an_object = inside.substr(0, inside.size() - 1),
                     .members_comma = member,
                     .in_an_object_comma = inside,
                     .tokens = cap});
    // Whoever reads the request and not the document.
    uint64_t& asked = draft_->request.max_tokens;
    asked = asked == 0 ? cap : std::min(asked, cap);
}

}  // namespace loom::proxy
