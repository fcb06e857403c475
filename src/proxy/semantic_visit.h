// What one request has to do with answers to nearly the same ones: its last text, the partition that all else of it
// makes, its vector where a provider makes such, one question, and what is told to whoever keeps such answers. It
// belongs to a CacheVisit.
#pragma once

#include <string>

#include "embed_desk.h"
#include "loom/io/shard.h"
#include "loom/proxy/semantic_cache.h"

namespace loom::proxy {

class SemanticVisit final : SemanticAsker, EmbedWaiter {
  public:
    /// waiter  hears of an answer, and of none in time.
    /// scope   whose answers it may be given, and who may be given its own.
    SemanticVisit(SemanticAsker& waiter, SemanticCache& cache, io::Shard& shard, const cache::Key& partition,
                  std::string scope, std::string text);
    ~SemanticVisit() override;
    SemanticVisit(const SemanticVisit&) = delete;

    /// Where a provider makes vectors: it is asked at this desk, for this payer, whose names outlive the visit.
    void embed_at(EmbedDesk& desk, const EmbedPayer& payer) noexcept {
        desk_ = &desk;
        payer_ = payer;
    }
    /// True: waiter.on_semantic_answer() follows, within SemanticCache::wait_ms_max, and where a provider makes its
    /// vector EmbeddingPlan::timeout_ms before that.
    /// terms           outlive the visit.
    /// stored_from_ms  older answers will not do.
    [[nodiscard]] bool ask(const SemanticPlan& terms, uint64_t stored_from_ms = 0);
    /// Nothing is asked, but the answer to this request is to be found by its text: the vector is made meanwhile, where
    /// a provider makes such.
    void prepare_to_keep(const SemanticPlan& terms);
    [[nodiscard]] bool has_asked() const noexcept { return asked_; }
    [[nodiscard]] bool waits() const noexcept { return waits_; }
    /// Once it does not wait any more. Null: it came too late.
    [[nodiscard]] SemanticTicketPtr take_answer() noexcept { return std::move(ticket_); }
    /// Nobody waits for it any more.
    void forget() noexcept;
    /// The answer to this request, which has this key. Not kept where a provider's vector is not there.
    void keep(const SemanticPlan& terms, const cache::Key& key, cache::AnswerPtr answer, uint64_t purges_seen);

  private:
    struct Wait : io::Timer {
        explicit Wait(SemanticVisit& v) : Timer(&SemanticVisit::on_wait_over), visit(v) {}
        SemanticVisit& visit;
    };
    static void on_wait_over(io::Timer& timer) noexcept;
    void on_semantic_answer() noexcept override;
    void on_embedded(const Embedded& embedded) noexcept override;
    [[nodiscard]] bool embed(const SemanticPlan& terms);
    [[nodiscard]] bool search();

    SemanticAsker& waiter_;
    SemanticCache& cache_;
    io::Shard& shard_;
    const cache::Key partition_;
    std::string scope_;
    std::string text_;
    SemanticTicketPtr ticket_;
    const SemanticPlan* terms_ = nullptr;  // once it has asked
    EmbedDesk* desk_ = nullptr;            // null: the index's thread makes vectors
    EmbedPayer payer_;
    cache::VectorPtr vector_;      // once it is known
    uint64_t vector_made_ms_ = 0;  // a provider's
    uint64_t stored_from_ms_ = 0;
    bool asked_ = false;
    bool waits_ = false;
    Wait wait_{*this};
};

}  // namespace loom::proxy
