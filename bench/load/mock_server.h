#pragma once
// A mock provider: one thread, epoll, keep-alive HTTP/1.1. It answers chat completions with a fixed document or with
// a stream of numbered events, paced by a wheel or as fast as the sockets take them.
#include <csignal>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "message_reader.h"
#include "mock_plan.h"
#include "tls_link.h"

namespace bench {

class MockServer {
  public:
    struct Stats {
        uint64_t connections = 0, requests = 0, streams = 0, streams_cut = 0, bad_requests = 0;
    };

    MockServer(std::string_view address, const MockParams& defaults);
    /// Listens there too, and speaks TLS with who comes.
    void listen_with_tls(std::string_view address, const std::string& certificate, const std::string& key);
    void run(const volatile std::sig_atomic_t& stop);
    const Stats& stats() const { return stats_; }

  private:
    /// A client's connection. It serves one request at a time: `busy` from the request's end to the answer's end.
    struct Conn {
        int fd = -1;
        std::unique_ptr<TlsLink> tls;  // null: plain
        uint32_t generation = 0;  // tells a timer of a connection that is gone from one of its successor on the same fd
        bool busy = false;
        bool streaming = false;
        bool include_usage = false;
        bool in_burst_list = false;
        bool wants_out = false;
        const Plan* plan = nullptr;
        uint32_t events_sent = 0;
        int64_t due_ns = 0;
        uint64_t body_bytes = 0;
        MessageReader in;
        std::string body_head, body_tail;  // both ends of the body: where the deciding fields are
        std::string out;                   // what the socket did not take
    };
    struct Timer {
        int fd;
        uint32_t generation;
        int64_t due_ns;
    };

    void add_listener(int fd);
    void accept_all(int listener);
    void close(Conn& conn);
    void on_readable(Conn& conn);
    void on_writable(Conn& conn);
    void keep_ends(Conn& conn, std::string_view piece);

    void on_request(Conn& conn);
    void begin_chat(Conn& conn);
    void answer_chat(Conn& conn);
    void begin_stream(Conn& conn);
    void end_request(Conn& conn);

    /// One write of the stream; true while more is to come and the socket takes it.
    bool write_block(Conn& conn, std::string_view head);
    void write_end(Conn& conn);
    void burst(Conn& conn);
    void continue_stream(Conn& conn);
    bool send(Conn& conn, std::string_view bytes);
    void watch(Conn& conn, bool writable);

    void schedule(Conn& conn, int64_t due_ns);
    void run_timers(int64_t now);
    void on_timer(Conn& conn);
    int wait_ms(int64_t now) const;
    void run_bursts();

    static constexpr size_t wheel_slots = 1 << 14;
    static constexpr int64_t tick_ns = 1'000'000;

    int listener_;
    int tls_listener_ = -1;
    std::unique_ptr<TlsServer> tls_;
    int epoll_;
    MockParams defaults_;
    PlanShelf shelf_;
    Stats stats_;
    std::vector<std::unique_ptr<Conn>> conns_;  // by fd
    std::deque<Conn*> bursting_;
    std::vector<std::vector<Timer>> wheel_{wheel_slots};
    std::vector<Timer> fired_;
    int64_t wheel_tick_ = 0;
    size_t timers_count_ = 0;
    uint32_t generations_ = 0;
    std::vector<char> scratch_;
    std::string block_;
    std::string reply_;  // the last answer built: a run asks for the same one all the time
    uint64_t reply_prompt_bytes_ = 0;
};

}  // namespace bench
