// Prometheus' text format, version 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/
#pragma once

#include <fmt/format.h>

#include <array>
#include <concepts>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>

#include "loom/base/histogram.h"

namespace loom::observe {

struct Label {
    std::string_view name;
    std::string_view value;
};
using Labels = std::initializer_list<Label>;

/// Bounded histograms added up over shards.
template <size_t bound_count>
struct HistogramSum {
    std::array<uint64_t, bound_count + 1> counts{};
    uint64_t sum = 0;

    void add(const BoundedHistogram<bound_count>& h) noexcept {
        for (size_t i = 0; i < counts.size(); ++i) counts[i] += h.bucket(i);
        sum += h.sum();
    }
    [[nodiscard]] uint64_t count() const noexcept {
        uint64_t n = 0;
        for (const uint64_t c : counts) n += c;
        return n;
    }
};

/// Bounds in seconds, as text: written once an exposition, since hundreds of series share them.
template <size_t bound_count>
using BoundTexts = std::array<std::string, bound_count>;

template <size_t bound_count>
[[nodiscard]] BoundTexts<bound_count> bound_texts(const std::array<uint64_t, bound_count>& bounds, double unit) {
    BoundTexts<bound_count> out;
    for (size_t i = 0; i < bound_count; ++i) out[i] = fmt::format("{}", static_cast<double>(bounds[i]) / unit);
    return out;
}

class TextFormat {
  public:
    /// Begins a family; its samples follow, all before the next family.
    void family(std::string_view name, std::string_view type, std::string_view help) {
        family_ = name;
        fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
    }
    template <class T>
        requires std::integral<T> || std::floating_point<T>
    void sample(Labels labels, T value, std::string_view suffix = "") {
        head(suffix, labels);
        if (!labels.size())
            text_ += ' ';
        else
            text_ += "} ";
        number(value);
    }
    /// A number that is its text already.
    void sample(Labels labels, std::string_view number) {
        head("", labels);
        text_ += labels.size() ? "} " : " ";
        text_ += number;
        text_ += '\n';
    }
    template <class T>
    void single(std::string_view name, std::string_view type, std::string_view help, T value) {
        family(name, type, help);
        sample({}, value);
    }
    /// `le` has the bounds as text, `unit` is what the sum is divided by to be seconds.
    template <size_t bound_count>
    void histogram(Labels labels, const BoundTexts<bound_count>& le, const HistogramSum<bound_count>& h, double unit) {
        uint64_t seen = 0;
        for (size_t i = 0; i < bound_count; ++i) {
            seen += h.counts[i];
            bucket(labels, le[i], seen);
        }
        seen += h.counts[bound_count];
        bucket(labels, "+Inf", seen);
        sample(labels, static_cast<double>(h.sum) / unit, "_sum");
        sample(labels, seen, "_count");
    }
    [[nodiscard]] std::string take() { return std::move(text_); }

  private:
    /// Everything before the closing brace of the labels, or the name alone when there are none.
    void head(std::string_view suffix, Labels labels) {
        text_ += family_;
        text_ += suffix;
        char before = '{';
        for (const Label& label : labels) {
            text_ += before;
            text_ += label.name;
            text_ += "=\"";
            escape(label.value);
            text_ += '"';
            before = ',';
        }
    }
    void bucket(Labels labels, std::string_view le, uint64_t count) {
        head("_bucket", labels);
        text_ += labels.size() ? ",le=\"" : "{le=\"";
        text_ += le;
        text_ += "\"} ";
        number(count);
    }
    void number(std::integral auto value) {
        const fmt::format_int text(value);
        text_.append(text.data(), text.size());
        text_ += '\n';
    }
    void number(double value) {
        if (value != value)
            text_ += "NaN\n";
        else
            fmt::format_to(std::back_inserter(text_), "{}\n", value);
    }
    void escape(std::string_view value) {
        for (const char c : value) {
            if (c == '\n')
                text_ += "\\n";
            else if (c == '"' || c == '\\')
                (text_ += '\\') += c;
            else
                text_ += c;
        }
    }

    std::string text_;
    std::string_view family_;
};

}  // namespace loom::observe
