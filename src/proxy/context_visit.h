// Where an exchange asks whether its prompt fits its model's context (context_window.on_overflow). What is trimmed is
// the request from then on: limits, budgets, the cache, all attempts and the ledger see what is left.
#pragma once

#include <fmt/format.h>

#include <cstdint>

#include "loom/base/result.h"
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
    [[nodiscard]] uint64_t window() const noexcept;
    [[nodiscard]] uint64_t needed(const llm::Request& request) const noexcept;
    Result<void> refuse(const llm::Request& request, uint64_t window);
    template <class... Args>
    void tell(fmt::format_string<Args...> form, Args&&... args);
    void flag(const llm::Request& request, uint64_t window);
    Result<void> trim(llm::Request& request, uint64_t window);
    [[nodiscard]] static uint64_t bytes_of(const llm::Request& request, uint64_t tokens) noexcept;
    /// Without so many bytes, if there is so much to leave out; how many messages went.
    Result<uint32_t> drop(llm::Request& request, uint64_t bytes);

    Exchange& x_;
};

}  // namespace loom::proxy
