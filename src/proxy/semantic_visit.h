// What one request has to do with answers to nearly the same ones: its last text, the partition that all else of it
// makes, one question, and what is told to whoever keeps such answers. It belongs to a CacheVisit.
#pragma once

#include <string>

#include "loom/io/shard.h"
#include "loom/proxy/semantic_cache.h"

namespace loom::proxy {

class SemanticVisit final : SemanticAsker {
  public:
    /// waiter  hears of an answer, and of none in time.
    /// scope   whose answers it may be given, and who may be given its own.
    SemanticVisit(SemanticAsker& waiter, SemanticCache& cache, io::Shard& shard, const cache::Key& partition,
                  std::string scope, std::string text);
    ~SemanticVisit();
    SemanticVisit(const SemanticVisit&) = delete;

    /// True: waiter.on_semantic_answer() follows, within SemanticCache::wait_ms_max.
    /// stored_from_ms  older answers will not do.
    [[nodiscard]] bool ask(const SemanticPlan& terms, uint64_t stored_from_ms = 0);
    [[nodiscard]] bool has_asked() const noexcept { return asked_; }
    [[nodiscard]] bool waits() const noexcept { return waits_; }
    /// Once it does not wait any more. Null: it came too late.
    [[nodiscard]] SemanticTicketPtr take_answer() noexcept { return std::move(ticket_); }
    /// Nobody waits for it any more.
    void forget() noexcept;
    /// The answer to this request, which has this key.
    void keep(const SemanticPlan& terms, const cache::Key& key, cache::AnswerPtr answer, uint64_t purges_seen);

  private:
    struct Wait : io::Timer {
        explicit Wait(SemanticVisit& v) : Timer(&SemanticVisit::on_wait_over), visit(v) {}
        SemanticVisit& visit;
    };
    static void on_wait_over(io::Timer& timer) noexcept;
    void on_semantic_answer() noexcept override;

    SemanticAsker& waiter_;
    SemanticCache& cache_;
    io::Shard& shard_;
    const cache::Key partition_;
    std::string scope_;
    std::string text_;
    SemanticTicketPtr ticket_;
    bool asked_ = false;
    bool waits_ = false;
    Wait wait_{*this};
};

}  // namespace loom::proxy
