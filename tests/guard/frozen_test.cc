// What the scanner finds in some megabytes drawn by chance, as a list that is kept: a faster scanner finds the same.
// And the law behind it: where nobody is asked, nobody would have found anything.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "../sim/random.h"
#include "detectors.h"
#include "hold.h"
#include "labelled.h"
#include "literals.h"
#include "loom/guard/pii_scanner.h"
#include "stream_law.h"

namespace loom::guard::test {
namespace {

constexpr size_t text_bytes = 8192;
constexpr int texts_of_a_kind = 64;
constexpr const char* kinds[] = {"digits", "log", "program", "prose", "strewn"};

std::vector<std::string> read_values() {
    const char* const folder = std::getenv("GUARD_FROZEN");
    std::vector<std::string> values;
    for (const LabelledText& labelled : read_labelled(folder == nullptr ? "." : folder))
        values.push_back(labelled.text);
    return values;
}

class Draw {
  public:
    Draw(uint64_t seed, const std::vector<std::string>& values) : random_(seed), values_(values) {}

    std::string text(std::string_view kind) {
        std::string text;
        while (text.size() < text_bytes) {
            if (kind == "digits") text += group();
            if (kind == "log") text += log_line();
            if (kind == "program") text += statement();
            if (kind == "prose") text += sentence();
            if (kind == "strewn") text += value() + std::string(gap());
        }
        return text;
    }

  private:
    template <size_t count>
    std::string_view one_of(const std::string_view (&of)[count]) {
        return of[random_.below(count)];
    }
    std::string digits(size_t count) {
        std::string text;
        for (; count > 0; --count) text += static_cast<char>('0' + random_.below(10));
        return text;
    }
    std::string hex(size_t count) {
        std::string text;
        for (; count > 0; --count) text += "0123456789abcdefABCDEF"[random_.below(22)];
        return text;
    }
    std::string letters(size_t count) {
        std::string text;
        for (; count > 0; --count) text += static_cast<char>((random_.chance(100) ? 'A' : 'a') + random_.below(26));
        return text;
    }
    std::string_view gap() {
        constexpr std::string_view gaps[] = {" ",  "-", ".", "/",  ") ", " (", ")", ", ", ": ",
                                             "\n", "=", "_", "  ", "\t", "a",  "Z", "+"};
        return random_.chance(650) ? gaps[random_.below(3)] : one_of(gaps);
    }
    /// As they stand, or with a byte that is another, or cut.
    std::string value() {
        std::string text = values_[random_.below(values_.size())];
        if (random_.chance(300)) text[random_.below(text.size())] = "0123456789 -.X(@:=a"[random_.below(19)];
        if (random_.chance(150)) text.resize(random_.below(text.size()) + 1);
        if (random_.chance(150)) text.erase(0, random_.below(text.size()));
        return text;
    }
    std::string group() {
        constexpr std::string_view words[] = {" tel ",        " phone ", " card ",   " SSN ", " +",  " (",
                                              "\xe2\x82\xac", " id ",    " X",       " AB ",  " DE", " bank ",
                                              " NIR ",        "\nBSN ",  " PESEL: ", " 0x"};
        if (random_.chance(20)) return value();
        if (random_.chance(60)) return std::string(one_of(words));
        // The lengths that forms are made of, and some that they are not.
        constexpr uint8_t lengths[] = {1, 2, 2, 2, 3,  3,  3,  3,  4,  4,  4,  4, 5,
                                       6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 19, 33};
        return (random_.chance(200) ? "0" : "") +
               digits(lengths[random_.below(random_.chance(700) ? 13 : sizeof lengths)]) + std::string(gap());
    }
    std::string log_line() {
        std::string line = "2026-" + digits(2) + "-" + digits(2) + " " + digits(2) + ":" + digits(2) + ":" + digits(2) +
                           "." + digits(3);
        for (uint64_t left = random_.between(2, 9); left > 0; --left) {
            switch (random_.below(14)) {
                case 0: line += " id=" + digits(random_.between(1, 12)); break;
                case 1:
                    line +=
                        " 10." + digits(2) + "." + digits(random_.between(1, 3)) + "." + digits(2) + ":" + digits(4);
                    break;
                case 2: line += " 0x" + hex(random_.between(2, 40)); break;
                case 3: line += " " + hex(8) + "-" + hex(4) + "-" + hex(4) + "-" + hex(4) + "-" + hex(12); break;
                case 4: line += " " + digits(random_.between(1, 5)) + " ms,"; break;
                case 5: line += " " + digits(1) + "." + digits(random_.between(1, 4)); break;
                case 6:
                    line += " " + hex(2) + ":" + hex(2) + ":" + hex(2) + ":" + hex(2) + ":" + hex(2) + ":" + hex(2);
                    break;
                case 7:
                    line += " " + hex(2) + "-" + hex(2) + "-" + hex(2) + "-" + hex(2) + "-" + hex(2) + "-" + hex(2);
                    break;
                case 8: line += " " + hex(4) + "::" + hex(random_.between(1, 4)) + ":" + hex(3); break;
                case 9:
                    line += " user=" + letters(5) + "@" + letters(4) + ".example." + letters(random_.between(1, 4));
                    break;
                case 10:
                    line +=
                        " [" + digits(4) + "] " + letters(6) + "_" + digits(3) + "," + digits(random_.between(1, 16));
                    break;
                case 11: line += " token=" + letters(6) + digits(3) + hex(8); break;
                case 12: line += " " + value(); break;
                default:
                    line += " " + hex(4) + "." + hex(4) + "." + hex(4) + " v" + digits(1) + "." + digits(2) + "." +
                            digits(1);
            }
        }
        return line + "\n";
    }
    std::string statement() {
        constexpr std::string_view names[] = {"i",         "item.key", "std::max",      "password",   "api_key",
                                              "uint64_t",  "x1",       "sig",           "AccountKey", "client_secret",
                                              "\"token\"", "secret",   "url",           "a::b",       "https",
                                              "count2",    "self.pwd", "'x-access-key'"};
        constexpr std::string_view signs[] = {
            " = ", "=", ": ", ":", "::", " == ", " += ", " := ", "=>", " : ", " = \"", "='", "://", "= ", "->"};
        std::string text(one_of(names));
        text += one_of(signs);
        switch (random_.below(8)) {
            case 0: text += letters(3) + digits(4) + hex(8) + letters(4); break;
            case 1: text += std::string(one_of(names)) + "(" + digits(2) + ")"; break;
            case 2:
                text +=
                    letters(4) + ":" + letters(3) + digits(3) + "@" + letters(5) + ".example.com:" + digits(4) + "/x";
                break;
            case 3: text += hex(random_.between(1, 60)); break;
            case 4: text += digits(random_.between(1, 12)); break;
            case 5: text += std::string(one_of(names)) + "[" + digits(1) + "]"; break;
            case 6: text += value(); break;
            default: text += std::string(one_of(fingerprints)) + hex(4) + "-" + letters(30) + digits(4);
        }
        constexpr std::string_view ends[] = {";\n", "\"", "';\n", ")", " ", "\n", ", ", "; "};
        return text + std::string(one_of(ends));
    }
    std::string sentence() {
        std::string text;
        for (uint64_t left = random_.between(4, 16); left > 0; --left)
            text += (random_.chance(15) ? value() : letters(random_.between(1, 9))) + (random_.chance(60) ? ", " : " ");
        if (random_.chance(120)) text += letters(5) + "." + letters(4) + "@" + letters(6) + ".org ";
        if (random_.chance(80))
            text += "call " + digits(random_.between(2, 5)) + std::string(gap()) + digits(random_.between(3, 8));
        if (random_.chance(30)) text += "\xe4\xbd\xa0\xe5\xa5\xbd";
        return text + ". ";
    }

    sim::Random random_;
    const std::vector<std::string>& values_;
};

const PiiScanner& everything() {
    static const PiiScanner scanner(PiiTypes::all());
    return scanner;
}

/// "digits 12 37 9f3c…": the kind, which of its texts, how many finds, and a hash of them (FNV-1a).
std::string line_of(const char* kind, int number, const std::vector<PiiSpan>& finds) {
    uint64_t hash = 0xcbf29ce484222325;
    for (const PiiSpan& span : finds)
        for (const uint64_t value : {span.begin, span.end, static_cast<uint64_t>(span.type)})
            for (int byte = 0; byte < 4; ++byte) hash = (hash ^ (value >> 8 * byte & 0xff)) * 0x100000001b3;
    std::array<char, 96> line;
    std::snprintf(line.data(), line.size(), "%s %d %zu %016llx", kind, number, finds.size(),
                  static_cast<unsigned long long>(hash));
    return line.data();
}

template <class Look>
void each_text(int count, Look&& look) {
    const std::vector<std::string> values = read_values();
    ASSERT_FALSE(values.empty()) << "GUARD_FROZEN names the folder with values.txt and finds.tsv";
    for (size_t kind = 0; kind < std::size(kinds); ++kind)
        for (int number = 0; number < count; ++number) {
            look(kinds[kind], number, Draw(kind * 1000 + static_cast<uint64_t>(number), values).text(kinds[kind]));
            if (::testing::Test::HasFatalFailure()) return;
        }
}

/// GUARD_FROZEN_WRITE=FILE writes the list anew, GUARD_FROZEN_TELL=1 every find.
TEST(Frozen, TheSameIsFoundAsEver) {
    std::vector<std::string> kept, lines;
    const char* const folder = std::getenv("GUARD_FROZEN");
    ASSERT_NE(folder, nullptr);
    std::ifstream in(std::string(folder) + "/finds.tsv");
    for (std::string line; std::getline(in, line);) kept.push_back(line);
    const bool tells = std::getenv("GUARD_FROZEN_TELL") != nullptr;
    each_text(texts_of_a_kind, [&](const char* kind, int number, const std::string& text) {
        const std::vector<PiiSpan> finds = whole(everything(), text);
        for (const PiiSpan& span : finds)
            if (tells)
                std::printf("%s %d %llu %s %s\n", kind, number, static_cast<unsigned long long>(span.begin),
                            std::string(pii_info(span.type).name).c_str(),
                            text.substr(span.begin, span.end - span.begin).c_str());
        lines.push_back(line_of(kind, number, finds));
    });
    if (const char* const file = std::getenv("GUARD_FROZEN_WRITE")) {
        std::ofstream out(file);
        for (const std::string& line : lines) out << line << "\n";
        return;
    }
    EXPECT_EQ(lines, kept);
}

/// Every finder of a kind asked at every place of that kind.
std::vector<PiiSpan> asked_everywhere(std::string_view text) {
    Window window(text, true);
    PendingFinds pending;
    std::vector<PiiSpan> told;
    const auto tell = [&](const PiiSpan& span) { told.push_back(span); };
    const auto ask = [&](Pos anchor, Trigger trigger) {
        Probe probe(window, anchor);
        for (const Detector& row : detectors()) {
            if (row.trigger != trigger) continue;
            const Match match = row.find(probe);
            if (!match) continue;
            pending.tell_up_to(static_cast<uint64_t>(hold_begin(window, anchor)), tell);
            pending.add({static_cast<uint64_t>(match.begin), static_cast<uint64_t>(match.end), row.type}, {});
        }
    };
    for (Pos at = 0; at < window.size(); ++at) {
        const int c = window.at(at);
        if (is_digit(c) && !is_digit(window.at(at - 1))) ask(at, Trigger::number);
        if (c == '@') ask(at, Trigger::at_sign);
        if (c == ':') ask(at, Trigger::colon);
        if (c == '=') ask(at, Trigger::equals);
        if (at < 2 || is_alnum(window.at(at - 3))) continue;
        for (const std::string_view word : fingerprints)
            if (word == text.substr(static_cast<size_t>(at - 2), word.size())) ask(at, Trigger::literal);
    }
    pending.tell_all(tell);
    return told;
}

TEST(Frozen, WhereNobodyIsAskedNobodyWouldHaveFoundAnything) {
    each_text(texts_of_a_kind, [&](const char* kind, int number, const std::string& text) {
        ASSERT_EQ(whole(everything(), text), asked_everywhere(text)) << kind << " " << number;
    });
}

/// However it is cut: what is at hand decides as the whole does.
TEST(Frozen, StreamsFindTheSame) {
    sim::Random random(11);
    each_text(6, [&](const char*, int, const std::string& text) {
        const std::vector<PiiSpan> expected = whole(everything(), text);
        for (const uint64_t piece_max : {3, 17, 90, 400}) {
            std::vector<size_t> cuts;
            for (size_t at = random.below(piece_max); at < text.size(); at += 1 + random.below(piece_max))
                cuts.push_back(at);
            expect_same(everything(), text, expected, cuts);
            if (HasFatalFailure()) return;
        }
    });
}

}  // namespace
}  // namespace loom::guard::test
