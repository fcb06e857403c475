#pragma once
// The load client: one thread, epoll, keep-alive connections. Every answer is checked, byte by byte or event by event.
#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "histogram.h"
#include "load_options.h"
#include "message_reader.h"
#include "process_cpu.h"
#include "sse_check.h"
#include "tls_link.h"

namespace bench {

/// What happened in the measured window.
struct LoadCounters {
    uint64_t answers = 0, bytes = 0, events = 0;
    uint64_t gaps = 0;  // events missing, twice or out of order
    uint64_t refused = 0, cut = 0, bad_status = 0, bad_body = 0, bad_stream = 0, stuck = 0;
    uint64_t reconnects = 0;  // the peer closed an idle keep-alive connection, as it may
    Histogram latency, first_event, event_delay;

    uint64_t errors() const { return gaps + refused + cut + bad_status + bad_body + bad_stream + stuck; }
};

struct LoadResult {
    LoadCounters counters;
    double window_s = 0;
    uint32_t connections_open = 0;
    ProcessSample before, after;  // of the watched processes
    double own_cpu_share = 0;     // of the load client itself: near 1 it is the bottleneck
    bool aborted = false;         // too many errors
};

class LoadClient {
  public:
    explicit LoadClient(LoadOptions options);
    LoadResult run();

  private:
    struct Conn {
        enum class State : uint8_t { closed, connecting, shaking, idle, busy };
        int fd = -1;
        std::unique_ptr<TlsLink> tls;  // null: plain
        State state = State::closed;
        bool wants_out = false;
        bool bad_body = false;
        size_t sent = 0;
        size_t body_at = 0;
        int64_t start_ns = 0;  // the intended start in the open loop
        MessageReader in;
        SseCheck sse;
        std::string refusal;  // the beginning of an unexpected answer
    };

    void open(Conn& conn);
    void reopen(Conn& conn);
    void on_event(Conn& conn, uint32_t events);
    void on_connected(Conn& conn);
    void shake(Conn& conn);
    void on_usable(Conn& conn);
    void on_readable(Conn& conn);
    void on_body(Conn& conn, std::string_view piece);
    void on_answer(Conn& conn);
    bool right(const Conn& conn) const;
    void become_idle(Conn& conn);

    void start(Conn& conn, int64_t intended_ns);
    void send_request(Conn& conn);
    void watch(Conn& conn, bool writable);

    void open_due(int64_t now);
    void arrive_due(int64_t now);
    int64_t next_gap_ns();
    bool advance_phase(int64_t now);
    void begin_window(int64_t now);
    int64_t next_wake_ns() const;
    void wait_and_handle();
    void complain(const Conn& conn, const char* what);

    LoadOptions options_;
    std::string request_, expected_;
    uint32_t events_expected_ = 0;  // of each stream; 0: unknown
    int epoll_;
    std::vector<std::unique_ptr<Conn>> conns_;
    std::deque<Conn*> idle_;
    std::deque<int64_t> queue_;  // open loop: arrivals that found no idle connection
    size_t opened_count_ = 0;
    int64_t begin_ns_ = 0, window_ns_ = 0, end_ns_ = 0, arrival_ns_ = 0;
    double own_cpu_before_s_ = 0;
    bool in_window_ = false;
    uint32_t complaints_ = 0;
    LoadResult result_;
    std::vector<char> scratch_;
    std::mt19937_64 random_{20240229};  // fixed: runs meet the same arrivals
};

void print_result(const LoadOptions& options, const LoadResult& result);

}  // namespace bench
