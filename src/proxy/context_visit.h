// Where an exchange asks whether its prompt fits its model's context (context_window.on_overflow). What is trimmed is
// the request from then on: limits, budgets, the cache, all attempts and the ledger see what is left.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "loom/base/block_pool.h"
#include "loom/base/result.h"
#include "loom/llm/history_trim.h"
#include "loom/llm/request.h"

namespace loom::proxy {

class Exchange;

/// A way to say it, with nothing of its own.
class ContextVisit {
  public:
    explicit ContextVisit(Exchange& exchange) noexcept : x_(exchange) {}

    /// Once it is known what is asked for. Where turns go, `request` is read anew.
    /// Errors  bad_message (downstream), which is refused(): it does not fit. exhausted (internal): no memory.
    Result<void> check(llm::Request& request);
    [[nodiscard]] static bool refused(const Error& why) noexcept;

  private:
    void lead(const llm::Request& request);
    [[nodiscard]] uint64_t window() const noexcept;
    [[nodiscard]] uint64_t needed(const llm::Request& request) const noexcept;
    [[nodiscard]] uint64_t needed(const llm::Request& request, uint64_t prompt_tokens) const noexcept;
    [[nodiscard]] std::optional<uint64_t> prompt_tokens_max(const llm::Request& request,
                                                            uint64_t window) const noexcept;
    Result<void> refuse(const llm::Request& request, uint64_t window);
    template <class... Args>
    void tell(fmt::format_string<Args...> form, Args&&... args);
    void flag(const llm::Request& request, uint64_t window);
    Result<void> trim(llm::Request& request, uint64_t window);
    [[nodiscard]] static uint64_t tokens_before(const llm::Request& request) noexcept;
    [[nodiscard]] static uint64_t bytes_over(const llm::Request& request, uint64_t tokens_max) noexcept;
    [[nodiscard]] uint64_t tokens_of(std::string_view document, const llm::Tokenizer& tokenizer);
    Result<llm::TrimmedHistory> drop_by_count(const llm::Request& request, const llm::Tokenizer& tokenizer,
                                              uint64_t tokens_max, ByteBuffer& shorter);
    Result<llm::TrimmedHistory> drop_by_estimate(uint64_t tokens_max, ByteBuffer& shorter);
    Result<llm::TrimmedHistory> drop(uint64_t bytes, ByteBuffer& shorter);
    Result<void> hold_both(const ByteBuffer& shorter);
    Result<void> put(llm::Request& request, ByteBuffer& shorter);

    Exchange& x_;
};

}  // namespace loom::proxy
