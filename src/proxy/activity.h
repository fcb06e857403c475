// What a request that is over tells those who look for sudden changes (alerts.anomaly.*).
#pragma once

#include <cstdint>

namespace loom::proxy {

class Exchange;

/// One branch where nobody looks; else one record, by value, without a wait. After the ledger's last settlement.
class ActivityNote {
  public:
    explicit ActivityNote(Exchange& exchange) noexcept : x_(exchange) {}
    void put() const noexcept;

  private:
    [[nodiscard]] bool is_told() const noexcept;
    [[nodiscard]] uint64_t tokens() const noexcept;

    Exchange& x_;
};

}  // namespace loom::proxy
