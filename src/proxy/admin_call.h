// A request of the admin listener whose body is read: who may send one has been asked before.
#pragma once

#include <cstddef>
#include <string_view>

#include "loom/base/result.h"
#include "loom/proxy/plan.h"

namespace loom::proxy {

class Exchange;

class AdminCall {
  public:
    static constexpr size_t largest_body_bytes = 16 * 1024;
    /// The body is collected from here on, up to `body_bytes_max`, which no resource wants more of than that. Larger
    /// ones are refused: 413.
    static void begin(Exchange& exchange, const LocalRequest& request, size_t body_bytes_max);
    explicit AdminCall(size_t body_bytes_max) : body_bytes_max_(body_bytes_max) {}

    [[nodiscard]] size_t body_bytes_max() const noexcept { return body_bytes_max_; }
    /// The body is there, or what went wrong with it.
    [[nodiscard]] static Result<void> answer(Exchange& exchange);
    /// What the listener does with it, told to the client or, where its body is wanted, begun.
    static void run(Exchange& exchange, const LocalRequest& request);

  private:
    LocalRequest request_;  // of texts that the exchange keeps
    size_t body_bytes_max_;
};

}  // namespace loom::proxy
