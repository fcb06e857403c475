#include "loom/http/head_parser.h"

#include "head_parser_impl.h"

namespace loom::http {

Result<size_t> HeadScan::end_of(std::string_view bytes) noexcept {
    if (scanned_bytes_ == 0 && !bytes.empty()) {
        const auto first = static_cast<unsigned char>(bytes[0]);
        const bool starts_head = side_ == Side::upstream ? first == 'H' : scan::is_token(bytes[0]) || first == '\r';
        if (!starts_head) return wrong_start(first);
    }
    while (scanned_bytes_ < bytes.size()) {
        const size_t count = bytes.size() - scanned_bytes_ < 64 ? bytes.size() - scanned_bytes_ : 64;
        const char* p = bytes.data() + scanned_bytes_;
        scan::LineMasks masks;
        if (count == 64) {
            masks = scan::masks64(p);
        } else if (bytes.size() >= 64) {  // the last 64 bytes, and those already seen shifted out
            const scan::LineMasks last = scan::masks64(bytes.data() + bytes.size() - 64);
            const unsigned seen = static_cast<unsigned>(64 - count);
            masks = {last.cr >> seen, last.lf >> seen, last.nul >> seen};
        } else {
            masks = scan::Scalar::masks(p, count);
        }

        // CR and LF come in pairs, and the empty line is an LF two bytes behind an LF.
        uint64_t wrong = ((masks.cr << 1 | last_was_cr_) ^ masks.lf) | masks.nul;
        if (count < 64) wrong &= (uint64_t{1} << count) - 1;
        const uint64_t ends = masks.lf & (masks.lf << 2 | lf_tail_);
        if (ends != 0) wrong &= ends ^ (ends - 1);  // what is behind the head is not ours to judge
        if (wrong != 0) return fault();
        if (ends != 0) {
            scanned_bytes_ += static_cast<unsigned>(__builtin_ctzll(ends)) + 1;
            return static_cast<size_t>(scanned_bytes_);
        }
        lf_tail_ = count >= 2 ? (masks.lf >> (count - 2)) & 3 : lf_tail_ >> 1 | (masks.lf & 1) << 1;
        last_was_cr_ = (masks.cr >> (count - 1)) & 1;
        scanned_bytes_ += count;
    }
    return size_t{0};
}

std::unexpected<Error> HeadScan::fault() const noexcept {
    return fail(Errc::bad_message, side_, "a bare CR, a bare LF or a NUL in the head: lines end with CRLF");
}

std::unexpected<Error> HeadScan::wrong_start(unsigned char first) const noexcept {
    constexpr unsigned char tls_handshake = 0x16;
    constexpr unsigned char tls_alert = 0x15;
    if (side_ == Side::upstream) {
        if (first == tls_handshake || first == tls_alert)
            return fail(Errc::bad_message, side_, "the upstream speaks TLS: use https:// in its base_url");
        return fail(Errc::bad_message, side_, "the answer does not start with HTTP/1.1");
    }
    if (first == tls_handshake)
        return fail(Errc::bad_message, side_, "a TLS handshake on a plain HTTP port: use http://, or the HTTPS port");
    return fail(Errc::bad_message, side_, "bytes that are not an HTTP request");
}

Result<void> parse_request_head(std::string_view head, RequestHead& out) noexcept {
    return parse_request<scan::Best>(head, out);
}

Result<void> parse_response_head(std::string_view head, Method request_method, ResponseHead& out) noexcept {
    return parse_response<scan::Best>(head, request_method, out);
}

}  // namespace loom::http
