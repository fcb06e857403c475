// Every kernel gives what the scalar one gives: for each byte value, at each place, at each length.
#include "scan.h"

#include "head_parser_impl.h"
#include "support.h"

namespace loom::http::test {
namespace {

using Kernel = const char* (*)(const char*, const char*) noexcept;

void agree(Kernel kernel, Kernel reference, char filler) {
    for (size_t length = 0; length < 80; ++length) {
        const Exact bytes{std::string(length, filler)};
        char* p = const_cast<char*>(bytes.view().data());
        const char* end = p + length;
        ASSERT_EQ(kernel(p, end), reference(p, end)) << length;
        for (size_t at = 0; at < length; ++at) {
            for (int c = 0; c < 256; ++c) {
                p[at] = static_cast<char>(c);
                ASSERT_EQ(kernel(p, end) - p, reference(p, end) - p)
                    << "byte " << c << " at " << at << " of " << length;
            }
            p[at] = filler;
        }
    }
}

TEST(Kernels, AgreeOnEndsOfNamesValuesTargetsAndLines) {
    for (char filler : {'a', 'Z', '-'}) agree(scan::Baseline::name_end, scan::Scalar::name_end, filler);
    for (char filler : {'a', '\t', '\x80'}) agree(scan::Baseline::value_end, scan::Scalar::value_end, filler);
    for (char filler : {'a', '9', '.'}) agree(scan::Baseline::host_end, scan::Scalar::host_end, filler);
    agree(scan::Baseline::target_end, scan::Scalar::target_end, '/');
    agree(scan::Baseline::line_end, scan::Scalar::line_end, '{');
    agree(scan::line_end, scan::Scalar::line_end, '{');
}

using Masks = scan::LineMasks (*)(const char*) noexcept;

TEST(Kernels, AgreeOnLineMasks) {
    std::vector<Masks> kernels = {scan::Baseline::masks64, scan::masks64};
    for (size_t at = 0; at < 64; ++at) {
        for (int c = 0; c < 256; ++c) {
            std::string block(64, 'x');
            block[at] = static_cast<char>(c);
            block[63 - at] = static_cast<char>(c);
            const scan::LineMasks expected = scan::Scalar::masks64(block.data());
            for (Masks kernel : kernels) {
                const scan::LineMasks found = kernel(block.data());
                ASSERT_EQ(found.cr, expected.cr) << c << " at " << at;
                ASSERT_EQ(found.lf, expected.lf) << c << " at " << at;
                ASSERT_EQ(found.nul, expected.nul) << c << " at " << at;
            }
        }
    }
}

TEST(Kernels, AgreeOnFieldMasks) {
    using FieldMasksOf = scan::FieldMasks (*)(const char*) noexcept;
    const std::vector<FieldMasksOf> kernels = {scan::Baseline::field_masks64, scan::field_masks64};
    for (size_t at = 0; at < 64; ++at) {
        for (int c = 0; c < 256; ++c) {
            std::string block(64, at % 2 == 0 ? 'x' : ' ');
            block[at] = static_cast<char>(c);
            const scan::FieldMasks expected = scan::Scalar::field_masks64(block.data());
            for (FieldMasksOf kernel : kernels) {
                ASSERT_EQ(kernel(block.data()).breaks, expected.breaks) << c << " at " << at;
                ASSERT_EQ(kernel(block.data()).stops, expected.stops) << c << " at " << at;
            }
        }
    }
}

template <class Kernel>
void expect_same_head(std::string_view bytes) {
    RequestHead fast;
    RequestHead plain;
    const auto a = parse_request<Kernel>(bytes, fast);
    const auto b = parse_request<scan::Scalar>(bytes, plain);
    ASSERT_EQ(a.has_value(), b.has_value()) << bytes;
    ASSERT_STREQ(what_of(a), what_of(b)) << bytes;
    ASSERT_EQ(fast.path, plain.path);
    ASSERT_EQ(fast.list.size(), plain.list.size());
    for (size_t i = 0; i < fast.list.size(); ++i) {
        ASSERT_EQ(fast.list.all()[i].name, plain.list.all()[i].name);
        ASSERT_EQ(fast.list.all()[i].value, plain.list.all()[i].value);
        ASSERT_EQ(fast.list.all()[i].id, plain.list.all()[i].id);
    }
}

TEST(Kernels, ParseTheSameHeads) {
    auto random = seeded();
    constexpr std::string_view good =
        "POST http://h/v1?x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: x-a, close\r\nX-A: b\r\n\r\n";
    for (int round = 0; round < 20000; ++round) {
        std::string head(good);
        for (uint64_t edits = random() % 4; edits > 0; --edits) {
            head[random() % head.size()] = static_cast<char>(random());
        }
        const Exact bytes(head);
        expect_same_head<scan::Baseline>(bytes.view());
        expect_same_head<scan::Best>(bytes.view());
    }
}

TEST(Kernels, ParseNamesAndValuesAcrossTheirBlocks) {
    for (size_t length = 1; length < 150; ++length) {
        const std::string filler(length, 'n');
        const std::string tabs(length, '\t');
        for (const std::string& field :
             {filler + ": v", "x: " + filler, "x:" + tabs + "v" + tabs, "a_" + filler + ":" + tabs}) {
            const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n" + field + "\r\nAccept: */*\r\n\r\n";
            const Exact bytes(head);
            expect_same_head<scan::Baseline>(bytes.view());
            expect_same_head<scan::Best>(bytes.view());
            ASSERT_EQ(request(bytes.view()).headers().size(), 3u) << head;
        }
    }
}

}  // namespace
}  // namespace loom::http::test
