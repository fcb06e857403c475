// Whatever the bytes: no read outside of them, kernels agree with the scalar ones, and the scan agrees with the parser.
#include <cstdint>
#include <cstring>
#include <string_view>

#include "head_parser_impl.h"

using namespace loom;
using namespace loom::http;

namespace {

void require(bool holds) {
    if (!holds) __builtin_trap();
}

void same_lists(const HeaderList& a, const HeaderList& b) {
    require(a.size() == b.size());
    for (size_t i = 0; i < a.size(); ++i) {
        const Header& x = a.all()[i];
        const Header& y = b.all()[i];
        require(x.id == y.id && x.name == y.name && x.value == y.value &&
                x.named_in_connection == y.named_in_connection);
    }
}

template <class Kernel>
void as_request(std::string_view bytes) {
    RequestHead fast;
    RequestHead plain;
    const auto a = parse_request<Kernel>(bytes, fast);
    const auto b = parse_request<scan::Scalar>(bytes, plain);
    require(a.has_value() == b.has_value());
    if (!a) return require(std::strcmp(a.error().what, b.error().what) == 0);
    same_lists(fast.list, plain.list);
    require(fast.head_bytes <= bytes.size() && fast.path == plain.path && fast.host == plain.host);
    require(fast.framing != BodyFraming::until_close);

    HeadScan whole;
    const auto end = whole.end_of(bytes);
    require(end && *end == fast.head_bytes);
    HeadScan in_pieces;
    for (size_t length = 1; length < fast.head_bytes; length += 1 + length % 7) {
        const auto early = in_pieces.end_of(bytes.substr(0, length));
        require(early && *early == 0);
    }
    const auto last = in_pieces.end_of(bytes);
    require(last && *last == fast.head_bytes);
}

template <class Kernel>
void as_response(std::string_view bytes) {
    ResponseHead fast;
    ResponseHead plain;
    const auto a = parse_response<Kernel>(bytes, Method::post, fast);
    const auto b = parse_response<scan::Scalar>(bytes, Method::post, plain);
    require(a.has_value() == b.has_value());
    if (!a) return require(std::strcmp(a.error().what, b.error().what) == 0);
    same_lists(fast.list, plain.list);
    require(fast.status >= 100 && fast.status <= 599 && fast.head_bytes <= bytes.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    as_request<scan::Best>(bytes);
    as_request<scan::Baseline>(bytes);
    as_response<scan::Best>(bytes);
    as_response<scan::Baseline>(bytes);
    return 0;
}
