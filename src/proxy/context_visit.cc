#include "context_visit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "client_connection.h"
#include "exchange.h"
#include "expected_output.h"
#include "loom/llm/history_trim.h"
#include "loom/proxy/context_plan.h"

namespace loom::proxy {
namespace {

constexpr const char* too_long = "the prompt, and what is left for its answer, do not fit the context of this model";
constexpr int passes_max = 6;  // the last leaves out all that may go
constexpr size_t line_bytes_max = 96;
constexpr uint64_t all_bytes = UINT64_MAX / 2;

}  // namespace

bool ContextVisit::refused(const Error& why) noexcept { return why.what == too_long; }

Result<void> ContextVisit::check(llm::Request& request) {
    const ContextPlan& plan = *x_.plan().context;
    const OnOverflow action = plan.routes[static_cast<size_t>(x_.route_ - x_.plan().routes.data())];
    const bool is_chat = llm::chat_protocol_of(x_.endpoint_).has_value() && !llm::counts_tokens(x_.endpoint_);
    if (action == OnOverflow::serve || !is_chat || x_.client_->is_nobody()) return {};
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

/// Of those who may be asked, the largest; 0: of one of them it is not known.
uint64_t ContextVisit::window() const noexcept {
    if (x_.plan().selection == nullptr) return 0;
    const route::ModelMatch match = x_.match();
    const int only = x_.route_->provider_ix;  // of this route
    uint64_t largest = 0;
    for (const route::Candidate& one : match.candidates) {
        if (only >= 0 && one.provider_ix != static_cast<uint32_t>(only)) continue;
        const std::string_view model = one.renamed ? std::string_view(one.upstream_model) : match.model;
        const uint64_t tokens = x_.plan().selection->capabilities.context_tokens(one.provider_ix, model);
        if (tokens == 0) return 0;
        largest = std::max(largest, tokens);
    }
    return largest;
}

uint64_t ContextVisit::needed(const llm::Request& request) const noexcept {
    const uint64_t answer = request.max_tokens != 0 ? request.output_tokens_max() : x_.plan().context->answer_tokens;
    return request.prompt_tokens() + answer;
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

/// What a turn is in tokens is an estimate: what is left is counted anew, and more goes where it is too much yet.
Result<void> ContextVisit::trim(llm::Request& request, uint64_t window) {
    uint32_t dropped = 0;
    for (int pass = 1; pass <= passes_max && needed(request) > window; ++pass) {
        const uint64_t excess = needed(request) - window;
        const uint32_t gone = LOOM_TRY(drop(request, pass == passes_max ? all_bytes : bytes_of(request, excess)));
        if (gone == 0) break;
        dropped += gone;
    }
    if (needed(request) > window) return refuse(request, window);
    x_.services_.metrics().context_trimmed.add();
    x_.services_.metrics().context_messages_dropped.add(dropped);
    tell("x-loom-context-trimmed: {}\r\n", dropped);
    return {};
}

/// Of the document, as its prompt has them, and a sixth for what stands around its texts.
uint64_t ContextVisit::bytes_of(const llm::Request& request, uint64_t tokens) noexcept {
    const auto bytes =
        static_cast<unsigned __int128>(tokens) * request.prompt_bytes / std::max<uint64_t>(request.prompt_tokens(), 1);
    return static_cast<uint64_t>(std::min<unsigned __int128>(bytes + bytes / 6 + 1, all_bytes));
}

Result<uint32_t> ContextVisit::drop(llm::Request& request, uint64_t bytes) {
    ByteBuffer shorter(x_.services_.shard().blocks());
    llm::HistoryTrim history(x_.services_.translate_scratch, x_.services_.shard().blocks());
    const uint32_t gone = LOOM_TRY(history.trim(x_.endpoint_, x_.body_.view(), bytes, shorter));
    if (gone == 0) return 0;
    if (!x_.try_hold(BlockPool::footprint(x_.body_.capacity()) + BlockPool::footprint(shorter.capacity())))
        return fail(Errc::exhausted, Side::internal, "no memory for one more changed body (limit.bodies_in_memory)");
    x_.body_ = std::move(shorter);
    x_.hold_less(BlockPool::footprint(x_.body_.capacity()));
    auto read = x_.services_.request_reader.read(x_.endpoint_, x_.body_.view());
    if (!read) return fail(Errc::bad_message, Side::internal, "the trimmed request cannot be read");
    request = *read;
    if (x_.plan().tokenizers != nullptr) x_.count_prompt(request);
    return gone;
}

}  // namespace loom::proxy
