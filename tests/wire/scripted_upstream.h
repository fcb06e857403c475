// An upstream that does exactly what a test's script says: it records the bytes it receives and answers with scripted
// bytes in scripted pieces. One thread a connection; a script is a plain function that walks down the page.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "message.h"
#include "socket.h"

namespace loom::wire {

class ScriptedUpstream;

/// One accepted connection, as its script sees it.
class UpstreamConnection {
  public:
    UpstreamConnection(ScriptedUpstream& upstream, Fd fd, size_t index);

    size_t index() const { return index_; }  // 0 for the first connection that Loom opened
    /// The next request, or nothing once Loom has closed the connection. It is recorded.
    std::optional<Message> read_request();
    /// Only the head, for an answer before the body has come; `reader()` can read on.
    std::optional<Head> read_request_head();
    MessageReader& reader() { return reader_; }

    /// Sends a copy: the test may change its own bytes as soon as the client has seen them.
    bool send(std::string_view bytes) { return send_all(fd_.get(), std::string(bytes)); }
    /// Each piece is sent once Loom has read the one before.
    bool send_in_pieces(std::span<const std::string_view> pieces);
    bool send_cut_at(std::string_view bytes, size_t cut);
    bool send_byte_by_byte(std::string_view bytes);
    bool wait_until_loom_has_read() { return wait_until_peer_has_read(fd_.get()); }
    /// Sends `block` again and again until Loom goes or `bytes_max` are sent; counts into `sent_bytes()`.
    bool send_forever(std::string_view block, size_t bytes_max);
    size_t sent_bytes() const { return sent_bytes_; }

    void half_close();
    void reset() { fd_.reset(); }
    void close() { fd_.close(); }
    /// Waits until Loom ends the connection.
    End wait_closed(Deadline deadline = Deadline::standard()) { return reader_.read_end(deadline); }
    int fd() const { return fd_.get(); }

  private:
    ScriptedUpstream& upstream_;
    Fd fd_;
    MessageReader reader_;
    size_t index_;
    size_t sent_bytes_ = 0;
};

class ScriptedUpstream {
  public:
    using Script = std::function<void(UpstreamConnection&)>;

    explicit ScriptedUpstream(Script script, int send_buffer_bytes = 0);
    ScriptedUpstream(Script script, Listening listening);
    ~ScriptedUpstream();  // ends every connection and joins its thread

    uint16_t port() const { return port_; }
    std::string origin() const { return "http://127.0.0.1:" + std::to_string(port_); }
    /// Stops listening: from now on connections to it are refused.
    void stop_listening();
    /// Ends every connection, whatever its script is at.
    void end_connections();
    void set_script(Script script);

    size_t connection_count() const { return connection_count_; }
    size_t received_bytes() const { return received_bytes_; }
    size_t request_count() const;
    std::vector<Message> requests() const;
    Message request(size_t index) const;  // waits for it
    Message last_request() const;
    /// What went wrong in scripts: a throw ends the script and lands here.
    std::vector<std::string> failures() const;

  private:
    friend class UpstreamConnection;
    void accept_all();
    void run(size_t index, int fd);
    void join_finished();  // a soak opens millions of connections: none keeps its stack
    void record(Message request);

    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    Script script_;
    std::vector<Message> requests_;
    std::vector<std::string> failures_;
    std::vector<int> live_fds_;  // by connection; the destructor ends what their scripts wait for
    std::vector<std::thread> threads_;  // by connection
    std::vector<size_t> finished_;      // threads that need nothing any more: to be joined
    std::atomic<size_t> connection_count_ = 0;
    std::atomic<size_t> received_bytes_ = 0;
    std::atomic<bool> is_stopping_ = false;
    bool is_ending_ = false;  // the destructor waits for every script
    Fd listener_;
    uint16_t port_ = 0;
    std::thread acceptor_;
};

/// Answers every request of a connection with the same bytes.
ScriptedUpstream::Script answer_always(std::string bytes);
/// Answers every request with what `answer` makes of it.
ScriptedUpstream::Script answer_with(std::function<std::string(const Message&)> answer);

/// Opens once; whoever waits goes on then. For scripts and tests to take turns. A script that is still on its way out of
/// wait() may outlive the gate, as one whose client has left does.
class Gate {
  public:
    void open();
    void wait(Deadline deadline = Deadline::standard()) const;
    bool is_open() const;

  private:
    struct State {
        std::mutex mutex;
        std::condition_variable opened;
        bool is_open = false;
    };
    const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace loom::wire
