// Providers and web servers at the far end: they read requests, compare them with what the client sent, and answer as
// the case has it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "message_reader.h"
#include "network.h"
#include "scenario.h"

namespace loom::sim {

inline constexpr uint64_t never_ns = UINT64_MAX;

/// Where actors find cases, and complain.
class CaseBook {
  public:
    [[nodiscard]] virtual Case* find(std::string_view id) = 0;
    virtual void complain(const std::string& what) = 0;
    /// Whether the wall's clock showed one of these microseconds between two moments.
    [[nodiscard]] virtual bool wall_showed(uint64_t first_us, uint64_t last_us, uint64_t from_ns,
                                           uint64_t to_ns) const = 0;

  protected:
    ~CaseBook() = default;
};

class UpstreamHost final : public Host {
  public:
    UpstreamHost(CaseBook& book, Random& random, uint32_t closes_idle) noexcept
        : book_(book), random_(random), closes_idle_(closes_idle) {}

    void on_connection(FarEnd end) override;
    /// Does what can be done now. Returns when there is more to do: `now_ns` at once, never_ns when it waits for the
    /// proxy.
    [[nodiscard]] uint64_t step(uint64_t now_ns);
    [[nodiscard]] size_t open_count() const noexcept { return connections_.size(); }

    uint32_t arrivals_max = 2;  // of one request: on a pooled connection that had died unseen, and on a fresh one

  private:
    struct Connection {
        FarEnd end;
        MessageReader reader;
        Case* now = nullptr;  // being read or answered
        bool compared = false;
        bool answering = false;
        bool spent = false;  // stalled for good, until the proxy leaves
        size_t answered_bytes = 0;
        uint64_t due_ns = 0;
        uint64_t idle_until_ns = never_ns;
    };
    uint64_t step_one(Connection& c, uint64_t now_ns);
    void read(Connection& c, uint64_t now_ns);
    void arrived(Connection& c);
    void compare(Connection& c);
    uint64_t answer(Connection& c, uint64_t now_ns);
    uint64_t stop(Connection& c);
    uint64_t finish(Connection& c, uint64_t now_ns);

    CaseBook& book_;
    Random& random_;
    uint32_t closes_idle_;
    std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace loom::sim
