#include "scraper.h"

#include <fmt/format.h>

#include <charconv>

namespace loom::sim {
namespace {

constexpr uint32_t scrapes_max = 5;  // of a run: a page is large, and some links are narrow
constexpr uint64_t pause_ns_max = 5'000'000'000;
constexpr std::string_view request = "GET /metrics HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n\r\n";

}  // namespace

uint64_t Scraper::over(uint64_t now_ns) {
    end_.close();
    due_ns_ = now_ns + network_.random().below(pause_ns_max);
    return due_ns_;
}

uint64_t Scraper::step(uint64_t now_ns, bool open) {
    if (!end_) {
        if (scrape_count_ == scrapes_max) return never_ns;
        if (now_ns < due_ns_) return due_ns_;
        end_ = network_.knock(Door::admin);
        if (!end_) return never_ns;
        written_bytes_ = 0;
        reader_.start(MessageReader::Kind::answer);
    }
    written_bytes_ += end_.write(request.substr(written_bytes_));
    while (!end_.readable().empty() && !reader_.whole() && !reader_.broken())
        end_.consume(reader_.take(end_.readable()));
    if (reader_.broken()) {
        book_.complain("the admin listener sent no HTTP: " + reader_.head().substr(0, 200));
        return over(now_ns);
    }
    if (reader_.whole()) {
        if (reader_.status() != 200) book_.complain(fmt::format("/metrics answered {}", reader_.status()));
        read_page(reader_.body());
        scrape_count_ += 1;
        return over(now_ns);
    }
    if (!end_.at_end() && !end_.at_reset()) return never_ns;
    // Its stop is the process's last act and waits for nobody: it resets who stands in the backlog, and cuts the rest.
    if (open && !end_.hurt()) book_.complain("the admin listener ended a scrape before its end");
    return over(now_ns);
}

/// Every line is a comment or a number with a name, and what counts requests never goes back.
void Scraper::read_page(const std::string& page) {
    double requests = 0;
    std::string_view rest = page;
    while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(rest.size(), line.size() + 1));
        if (line.starts_with('#')) continue;
        const size_t at = line.rfind(' ');
        double value = 0;
        if (at == line.npos ||
            std::from_chars(line.data() + at + 1, line.data() + line.size(), value).ec != std::errc())
            return book_.complain("a line of /metrics without a number: " + std::string(line));
        if (line.starts_with("loom_http_requests_total")) requests += value;
    }
    if (!page.ends_with('\n') || requests < requests_seen_)
        book_.complain(fmt::format("/metrics counts {} requests after {}", requests, requests_seen_));
    requests_seen_ = requests;
}

}  // namespace loom::sim
