// A client at the far end: connects, asks its cases one after the other or ahead of their answers, and hands what came
// of each to the judge.
#pragma once

#include <string>
#include <vector>

#include "message_reader.h"
#include "network.h"
#include "scenario.h"
#include "upstream_host.h"

namespace loom::sim {

/// What a client saw of one case.
struct Outcome {
    enum class How : uint8_t {
        whole,    // an answer that ended as its framing says
        reset,    // cut by a reset
        closed,   // cut by an end in order
        nothing,  // not one byte of an answer, and the connection is over
        left      // the client broke off itself
    };
    How how;
    const MessageReader& answer;
    bool behind_another = false;  // asked ahead, and the connection ended with an earlier answer
    bool asked_ahead = false;     // more was asked behind it: what breaks there may take this answer's rest along
};

/// Says what is wrong with an outcome; nothing when it may be.
struct JudgeContext {
    bool draining = false;
    bool links_fail = false;   // the network refuses connections, or breaks them
    bool spoiled = false;      // an upstream that sends more than it said: the rest is the next request's answer
    bool fails_over = false;   // who fails may be asked again, or another: the failure that tells most is the answer
    bool closes_idle = false;  // the pool may take connections that upstreams have just closed
};
[[nodiscard]] std::string judge(const Case& c, const Outcome& outcome, const JudgeContext& context);

class Client {
  public:
    Client(CaseBook& book, Network& network, std::vector<Case*> cases, size_t ahead_max)
        : book_(book), network_(network), cases_(std::move(cases)), ahead_max_(ahead_max) {}

    [[nodiscard]] uint64_t step(uint64_t now_ns, const JudgeContext& context);
    [[nodiscard]] bool done() const noexcept { return read_at_ == cases_.size() && !end_; }
    /// Since when it waits for what the case at hand brings; 0 when it does not wait.
    [[nodiscard]] uint64_t waits_since_ns() const noexcept { return waits_since_ns_; }
    [[nodiscard]] const Case* current() const noexcept { return read_at_ < cases_.size() ? cases_[read_at_] : nullptr; }
    /// Goes at once, wherever it is.
    void leave();

  private:
    uint64_t connect(uint64_t now_ns);
    uint64_t write(uint64_t now_ns, const JudgeContext& context);
    uint64_t read(uint64_t now_ns, const JudgeContext& context);
    void take_answers(std::string_view bytes, const JudgeContext& context);
    void answer_is_whole(const JudgeContext& context);
    void connection_over(Outcome::How how, const JudgeContext& context);
    void settle(Outcome::How how, bool behind_another, const JudgeContext& context);
    void check_date(const Case& c);
    void start_reader();
    void break_off(const JudgeContext& context);

    CaseBook& book_;
    Network& network_;
    std::vector<Case*> cases_;
    size_t ahead_max_;
    FarEnd end_;
    MessageReader reader_;
    size_t first_at_ = 0;  // of this connection
    size_t write_at_ = 0;  // the case being written
    size_t read_at_ = 0;   // the case whose answer comes next
    size_t written_bytes_ = 0;
    size_t read_bytes_ = 0;
    uint64_t write_due_ns_ = 0;
    uint64_t read_due_ns_ = 0;
    uint64_t think_until_ns_ = 0;
    uint64_t half_close_ns_ = 0;  // 0: it does not
    uint64_t waits_since_ns_ = 0;
    uint64_t now_ns_ = 0;
    bool thought_ = false;
    bool half_closed_ = false;
};

}  // namespace loom::sim
