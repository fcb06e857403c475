// Who watches: scrapes the admin listener now and then, and reads what it says.
#pragma once

#include <string>

#include "message_reader.h"
#include "network.h"
#include "upstream_host.h"

namespace loom::sim {

class Scraper {
  public:
    Scraper(CaseBook& book, Network& network) noexcept : book_(book), network_(network) {}

    /// As an actor's: when there is more to do.
    /// open  the admin listener was not told to stop, and owes every scrape its answer.
    [[nodiscard]] uint64_t step(uint64_t now_ns, bool open);
    [[nodiscard]] uint32_t scrape_count() const noexcept { return scrape_count_; }

  private:
    void read_page(const std::string& page);
    uint64_t over(uint64_t now_ns);

    CaseBook& book_;
    Network& network_;
    FarEnd end_;
    MessageReader reader_;
    size_t written_bytes_ = 0;
    uint64_t due_ns_ = 0;
    uint32_t scrape_count_ = 0;
    double requests_seen_ = 0;
};

}  // namespace loom::sim
