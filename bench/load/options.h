#pragma once
// "--name value" from the command line, for programs with a dozen options.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

class Options {
  public:
    Options(int argc, char** argv, std::string_view usage) {
        for (int i = 1; i + 1 < argc && std::string_view(argv[i]).starts_with("--"); i += 2) {
            values_[argv[i] + 2].push_back(argv[i + 1]);
        }
        if (argc % 2 == 1 && !has("help")) return;
        std::fprintf(stderr, "%.*s", int(usage.size()), usage.data());
        std::exit(64);
    }
    bool has(const char* name) const { return values_.contains(name); }
    std::string text(const char* name, std::string_view fallback) const {
        return has(name) ? values_.at(name).back() : std::string(fallback);
    }
    double number(const char* name, double fallback) const {
        return has(name) ? std::atof(values_.at(name).back().c_str()) : fallback;
    }
    std::vector<std::string> all(const char* name) const {
        return has(name) ? values_.at(name) : std::vector<std::string>();
    }

  private:
    std::map<std::string, std::vector<std::string>> values_;
};

}  // namespace bench
