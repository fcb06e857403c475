#include "loom/base/result.h"

namespace loom {

const char* errc_name(Errc code) noexcept {
    switch (code) {
        case Errc::ok: return "ok";
        case Errc::bad_message: return "bad_message";
        case Errc::too_large: return "too_large";
        case Errc::head_too_large: return "head_too_large";
        case Errc::unsupported: return "unsupported";
        case Errc::bad_content_type: return "bad_content_type";
        case Errc::bad_method: return "bad_method";
        case Errc::timed_out: return "timed_out";
        case Errc::refused: return "refused";
        case Errc::reset: return "reset";
        case Errc::closed: return "closed";
        case Errc::unreachable: return "unreachable";
        case Errc::not_found: return "not_found";
        case Errc::tls_failed: return "tls_failed";
        case Errc::unauthenticated: return "unauthenticated";
        case Errc::forbidden: return "forbidden";
        case Errc::limited: return "limited";
        case Errc::exhausted: return "exhausted";
        case Errc::cancelled: return "cancelled";
        case Errc::bad_conf: return "bad_conf";
        case Errc::io: return "io";
    }
    return "unknown";
}

}  // namespace loom
