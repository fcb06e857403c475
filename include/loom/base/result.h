// Errors are values: what happened, whose fault it is, and whether trying again is safe.
#pragma once

#include <cstdint>
#include <expected>
#include <utility>

namespace loom {

/// What happened. One word per cause; `proxy/reply.cc` alone turns these into HTTP statuses.
enum class Errc : uint8_t {
    ok = 0,
    // bytes of a peer
    bad_message,       // does not follow its grammar (HTTP, SSE, JSON)
    too_large,         // a body or event over its limit
    head_too_large,    // a head over its limit
    unsupported,       // well formed, and not something Loom does
    bad_content_type,  // a body that cannot be read as what it says it is
    bad_method,        // a method that this resource does not have
    // the wire
    timed_out,
    refused,      // connection refused
    reset,        // connection broken by the peer
    closed,       // connection ended in an orderly way, too early
    unreachable,  // no route, host or name
    not_found,    // name, file, model or route that does not exist
    tls_failed,
    // our own limits and decisions
    unauthenticated,
    forbidden,
    limited,    // a rate, budget or concurrency limit
    exhausted,  // a resource of this process: descriptors, memory, ring entries
    cancelled,  // by the client's leaving or by shutdown
    bad_conf,
    io,  // the operating system said no; see sys_errno
};

/// Whose fault: decides between 4xx, 502/504 and 500, and what a breaker counts.
enum class Side : uint8_t { internal, downstream, upstream };

/// May the same request be sent again?
enum class Retry : uint8_t {
    never,      // bytes may have reached the other side
    if_reused,  // a pooled connection that the peer had closed already: safe on a fresh one
    safe,       // not one byte was sent
};

struct Error {
    Errc code = Errc::ok;
    Side side = Side::internal;
    Retry retry = Retry::never;
    int sys_errno = 0;      // 0 when the kernel was not asked
    const char* what = "";  // a string literal, for the log line
};

template <class T>
using Result = std::expected<T, Error>;

/// `return fail(Errc::bad_message, Side::downstream, "two Host headers");`
[[nodiscard]] constexpr std::unexpected<Error> fail(Errc code, Side side, const char* what, int sys_errno = 0,
                                                    Retry retry = Retry::never) noexcept {
    return std::unexpected<Error>(Error{code, side, retry, sys_errno, what});
}

/// The spelling used in logs and metric labels: "timed_out", "reset", …
[[nodiscard]] const char* errc_name(Errc code) noexcept;

}  // namespace loom

/// `const auto head = LOOM_TRY(parse(bytes));` in plain functions that return a Result. Not inside coroutines: a
/// statement expression around a co_await is miscompiled by GCC 12 (write `if (!r) co_return …` there).
#define LOOM_TRY(expression)                                            \
    ({                                                                  \
        auto&& loom_try_result = (expression);                          \
        if (!loom_try_result) [[unlikely]]                              \
            return std::unexpected(std::move(loom_try_result).error()); \
        *std::move(loom_try_result);                                    \
    })
