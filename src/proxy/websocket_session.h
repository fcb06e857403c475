// A WebSocket between a client and its upstream, once both have agreed: two directions of frames, each checked, each
// held to the pace of whoever reads it, and one end.
//
// Pings and pongs go through, as all else does: who asks whether the other side is there is answered by the other side,
// and not by a gateway that cannot know. Masks do not: each frame to the upstream gets a key of Loom's own, as RFC 6455
// (5.3) asks of every client, so that no client chooses the bytes that stand on the wire behind Loom. That costs two
// passes over bytes that are in the cache, and the first is needed to check them at all.
#pragma once

#include <array>

#include "loom/base/result.h"
#include "loom/http/websocket.h"
#include "loom/io/shard.h"
#include "loom/net/sender.h"
#include "loom/upstream/pool.h"
#include "message_collector.h"

namespace loom::proxy {

class WebSocketOwner {
  public:
    virtual void pause_client() noexcept = 0;
    virtual void resume_client() noexcept = 0;
    virtual void pause_upstream() noexcept = 0;
    virtual void resume_upstream() noexcept = 0;
    /// `WebSocketSession::on_deadline` is to be called then, in milliseconds of the shard's timers.
    virtual void arm_session(uint64_t at_ms) noexcept = 0;
    virtual void on_session_end() noexcept = 0;

  protected:
    ~WebSocketOwner() = default;
};

/// An upstream inside Loom. It hears the client's messages by the session's collector, and speaks by `say`.
class LocalUpstream {
  public:
    /// The client has taken what it was given, or some of it.
    virtual void on_client_progress() noexcept = 0;

  protected:
    ~LocalUpstream() = default;
};

struct WebSocketTerms {
    uint64_t message_bytes_max = 32u << 20;
    size_t pause_bytes = 192u << 10;  // held for a reader; then the other side is not read
    uint64_t idle_ms = 0;             // without a frame in either direction; 0: no bound
    uint64_t client_write_ms = 0;     // a client that takes nothing
    uint64_t upstream_write_ms = 0;   // likewise
};

class WebSocketSession {
  public:
    /// messages  of the upstream; reads what it wants of them.
    WebSocketSession(io::Shard& shard, net::Sender& client, upstream::Connection& upstream, const WebSocketTerms& terms,
                     MessageCollector& messages, WebSocketOwner& owner)
        : WebSocketSession(shard, client, &upstream, nullptr, terms, messages, owner) {}
    /// messages  of the client.
    WebSocketSession(io::Shard& shard, net::Sender& client, LocalUpstream& upstream, const WebSocketTerms& terms,
                     MessageCollector& messages, WebSocketOwner& owner)
        : WebSocketSession(shard, client, nullptr, &upstream, terms, messages, owner) {}

    /// A text message of the upstream inside; held for a client that is behind, which `crowded` tells.
    void say(std::string_view message);
    [[nodiscard]] bool crowded() const noexcept { return client_.held_bytes() > terms_.pause_bytes; }
    [[nodiscard]] bool open() const noexcept { return state_ == State::open; }

    /// All bytes are taken, and written over. lease  null: the bytes are gone after the call.
    void on_client_bytes(std::span<char> bytes, io::BufferLease* lease);
    void on_upstream_bytes(std::span<char> bytes, io::BufferLease* lease);
    void on_client_sent();
    void on_upstream_sent();
    void on_client_gone(const Error& why);
    void on_upstream_end(const Error& why);
    void on_deadline();
    /// Loom itself ends the session. Each side is told at its next frame's border, for which close_wait_ms are left.
    void close(uint16_t code, const Error& why);

    [[nodiscard]] bool ended() const noexcept { return state_ == State::over; }
    /// Both sides have said Close, or the one that left had.
    [[nodiscard]] bool ended_well() const noexcept { return error_.code == Errc::ok; }
    [[nodiscard]] const Error& error() const noexcept { return error_; }
    /// The client has said Close: its leaving is no loss.
    [[nodiscard]] bool client_said_close() const noexcept { return up_.closed; }
    /// What the client has stands inside a frame: only a broken connection tells that.
    [[nodiscard]] bool client_cut() const noexcept { return state_ == State::over && client_cut_; }
    [[nodiscard]] net::Close upstream_close() const noexcept;

    static constexpr uint64_t close_wait_ms = 5'000;  // for the other side's Close

  private:
    enum class State : uint8_t { open, ending, over };
    /// From one side to the other.
    struct Direction {
        Direction(http::FrameReader::From from, const WebSocketTerms& terms) : reader(from, terms.message_bytes_max) {}
        http::FrameReader reader;
        http::MaskKey key{};     // of the frame at hand, to the upstream
        bool mid_frame = false;  // what has gone out ends inside a data frame
        bool closed = false;     // a Close has gone out, this side's or one of Loom's
        bool paused = false;     // its source
        uint16_t close_code = 0;
        uint16_t leave_code = 0;  // of a Close of Loom's own, for the next border
        const char* leave_reason = "";
        uint64_t progress_ms = 0;
    };
    class Output;

    WebSocketSession(io::Shard& shard, net::Sender& client, upstream::Connection* upstream, LocalUpstream* local,
                     const WebSocketTerms& terms, MessageCollector& messages, WebSocketOwner& owner);
    /// Where a direction's bytes go; those to an upstream inside go nowhere, and what it answers to the client.
    [[nodiscard]] net::Sender& sender_of(const Direction& direction) noexcept {
        return &direction == &up_ && upstream_ != nullptr ? upstream_->sender() : client_;
    }
    void hear(const http::FrameStep& step);
    void put_control(http::Opcode opcode, std::string_view payload);
    void take(Direction& direction, std::span<char> bytes, io::BufferLease* lease);
    void pass(Direction& direction, http::FrameStep& step, Output& output);
    void on_fault(Direction& direction, const http::FrameStep& step);
    void put_close(Direction& direction, uint16_t code, std::string_view reason);
    void leave(Direction& direction, uint16_t code, const char* reason);
    void leave_by(const Error& why);
    void answer_close();
    void end(const Error& why) noexcept;
    void flush(Direction& direction);
    void look();
    void hold_back(Direction& direction) noexcept;
    void let_go_on(Direction& direction) noexcept;
    void arm();
    [[nodiscard]] uint64_t deadline_of(const Direction& direction, uint64_t limit_ms) const noexcept;
    [[nodiscard]] http::MaskKey fresh_key() noexcept;
    [[nodiscard]] uint64_t now_ms() noexcept { return shard_.timers().now_ms(); }

    io::Shard& shard_;
    net::Sender& client_;
    upstream::Connection* const upstream_;
    LocalUpstream* const local_;  // in its place
    const WebSocketTerms terms_;
    MessageCollector& messages_;
    WebSocketOwner& owner_;
    Direction up_;    // client → upstream
    Direction down_;  // upstream → client
    State state_ = State::open;
    bool client_gone_ = false;
    bool upstream_gone_ = false;
    bool client_cut_ = false;
    uint8_t keys_left_ = 0;
    uint64_t moved_ms_;       // the last frame's bytes
    uint64_t ending_ms_ = 0;  // since one side has said Close
    uint64_t armed_ms_ = UINT64_MAX;
    Error error_;
    std::array<uint8_t, 128> key_bytes_;  // drawn ahead: one call of the generator for many frames
};

}  // namespace loom::proxy
