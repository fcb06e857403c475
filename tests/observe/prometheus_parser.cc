#include "prometheus_parser.h"

#include <cmath>
#include <cstdlib>
#include <optional>
#include <set>
#include <utility>

namespace loom::observe {
namespace {

using LabelList = std::vector<std::pair<std::string, std::string>>;

struct Sample {
    std::string name;
    LabelList labels;
    double value = 0;
};

bool name_ok(std::string_view name) {
    if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
    for (const char c : name) {
        if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != ':') return false;
    }
    return true;
}

class Parser {
  public:
    explicit Parser(std::string_view text) : text_(text) {}

    Exposed parse() {
        if (!text_.ends_with('\n')) mistake("no newline at the end");
        size_t number = 0;
        for (size_t begin = 0; begin < text_.size();) {
            const size_t end = text_.find('\n', begin);
            line_ = text_.substr(begin, end - begin);
            where_ = "line " + std::to_string(++number);
            if (line_.starts_with('#'))
                comment();
            else
                sample();
            begin = end == text_.npos ? text_.size() : end + 1;
        }
        finish_family();
        return std::move(out_);
    }

  private:
    void mistake(const std::string& what) { out_.mistakes.push_back(where_ + ": " + what + ": " + std::string(line_)); }

    void comment() {
        const bool help = line_.starts_with("# HELP ");
        if (!help && !line_.starts_with("# TYPE ")) return mistake("a comment of neither kind");
        const std::string_view rest = line_.substr(7);
        const size_t blank = rest.find(' ');
        if (blank == rest.npos) return mistake("HELP or TYPE without text");
        const std::string name(rest.substr(0, blank));
        if (help) {
            finish_family();
            if (!helped_.insert(name).second) mistake("a family that comes twice");
            family_ = name;
            return;
        }
        if (name != family_) mistake("TYPE without its HELP before it");
        const std::string type(rest.substr(blank + 1));
        if (!std::set<std::string>{"counter", "gauge", "histogram", "summary"}.contains(type)) mistake("unknown type");
        if (!out_.types.emplace(name, type).second) mistake("a second TYPE");
        if (type == "counter" && !name.ends_with("_total")) mistake("a counter's name ends in _total");
        if (type != "counter" && name.ends_with("_total")) mistake("only a counter's name ends in _total");
    }

    void sample() {
        const std::optional<Sample> s = read_sample();
        if (!s) return;
        const std::string type = out_.types[family_];
        std::string suffix = s->name.starts_with(family_) ? s->name.substr(family_.size()) : "?";
        const bool allowed = suffix.empty() ? type != "histogram"
                                            : (suffix == "_bucket" && type == "histogram") ||
                                                  ((suffix == "_sum" || suffix == "_count") &&
                                                   (type == "histogram" || type == "summary"));
        if (!allowed) mistake("a sample outside its family");
        if (type == "counter" && !(s->value >= 0)) mistake("a counter below zero");
        std::string key = s->name + written(s->labels);
        if (!out_.samples.emplace(key, s->value).second) mistake("the same sample twice");
        if (type == "histogram") histogram_part(*s, suffix);
    }

    std::optional<Sample> read_sample() {
        Sample s;
        size_t i = line_.find_first_of("{ ");
        if (i == line_.npos) return mistake("no value"), std::nullopt;
        s.name = line_.substr(0, i);
        if (!name_ok(s.name)) return mistake("a bad name"), std::nullopt;
        if (line_[i] == '{' && !read_labels(i, s.labels)) return mistake("bad labels"), std::nullopt;
        if (i >= line_.size() || line_[i] != ' ') return mistake("no blank before the value"), std::nullopt;
        const std::string value(line_.substr(i + 1));
        char* end = nullptr;
        s.value = std::strtod(value.c_str(), &end);
        if (value.empty() || *end != '\0' || value[0] == ' ') return mistake("a bad value"), std::nullopt;
        return s;
    }

    bool read_labels(size_t& i, LabelList& labels) {
        std::set<std::string> names;
        while (true) {
            const size_t equals = line_.find('=', ++i);
            if (equals == line_.npos || equals + 1 >= line_.size() || line_[equals + 1] != '"') return false;
            const std::string name(line_.substr(i, equals - i));
            if (!name_ok(name) || name.find(':') != name.npos || !names.insert(name).second) return false;
            std::string value;
            for (i = equals + 2; i < line_.size() && line_[i] != '"'; ++i) {
                if (line_[i] != '\\') {
                    value += line_[i];
                    continue;
                }
                if (++i >= line_.size()) return false;
                if (line_[i] == 'n')
                    value += '\n';
                else if (line_[i] == '\\' || line_[i] == '"')
                    value += line_[i];
                else
                    return false;
            }
            labels.emplace_back(name, value);
            if (++i >= line_.size()) return false;
            if (line_[i] == ',') continue;
            if (line_[i] != '}') return false;
            ++i;
            return true;
        }
    }

    static std::string written(const LabelList& labels) {
        std::string out;
        for (const auto& [name, value] : labels) out += (out.empty() ? "{" : ",") + name + "=\"" + value + "\"";
        return out.empty() ? out : out + "}";
    }

    struct Buckets {
        double last_le = -1, last_count = 0;
        std::optional<double> infinity, count;
        bool sum = false;
    };

    void histogram_part(const Sample& s, const std::string& suffix) {
        LabelList labels = s.labels;
        if (suffix != "_bucket") {
            Buckets& b = buckets_[written(labels)];
            if (suffix == "_sum")
                b.sum = true;
            else
                b.count = s.value;
            return;
        }
        if (labels.empty() || labels.back().first != "le") return mistake("a bucket without le");
        const std::string le_text = labels.back().second;
        labels.pop_back();
        Buckets& b = buckets_[written(labels)];
        const double le = std::strtod(le_text.c_str(), nullptr);  // "+Inf" too
        if (!(le > b.last_le)) mistake("buckets that do not rise");
        if (s.value < b.last_count) mistake("buckets that are not cumulative");
        b.last_le = le;
        b.last_count = s.value;
        if (std::isinf(le)) b.infinity = s.value;
    }

    void finish_family() {
        for (const auto& [labels, b] : buckets_) {
            if (!b.sum || !b.count || !b.infinity || *b.count != *b.infinity)
                mistake("a histogram whose +Inf, _count or _sum is missing or at odds: " + family_ + labels);
        }
        buckets_.clear();
        if (!family_.empty() && !out_.types.contains(family_)) mistake("a family without TYPE: " + family_);
    }

    std::string_view text_, line_;
    std::string where_, family_;
    std::set<std::string> helped_;
    std::map<std::string, Buckets> buckets_;
    Exposed out_;
};

}  // namespace

double Exposed::at(const std::string& sample) const {
    const auto it = samples.find(sample);
    return it == samples.end() ? std::nan("") : it->second;
}

Exposed parse_exposition(std::string_view text) { return Parser(text).parse(); }

}  // namespace loom::observe
