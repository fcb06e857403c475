// Calls of tools: arguments that fit the function's schema as far as a demo needs.
#include <algorithm>

#include "echo_state.h"
#include "loom/llm/json_text.h"

namespace loom::llm {

namespace {

struct Property {
    std::string_view key;    // raw, with quotes
    std::string_view type;   // without quotes
    std::string_view first;  // raw: the first value of its enum
};

/// The schema of one function: its properties, and the names (raw) it requires.
struct Function {
    std::string_view name;  // raw, without quotes
    std::vector<Property> properties;
    std::vector<std::string_view> required;
};

class ToolWalk {
  public:
    ToolWalk(std::string_view text, Tokens tokens) : cursor_(text, tokens) {}

    bool read_tools(std::vector<Function>& functions) {
        return cursor_.each_element([&] {
            if (cursor_.peek() != '{') return cursor_.skip_value();
            return cursor_.each_member([&](Range key) {
                if (name_of(key) != "function" || cursor_.peek() != '{') return cursor_.skip_value();
                return read_function(functions.emplace_back());
            });
        });
    }

    /// `"required"`, or an object whose function has a name; name stays empty for "required".
    bool read_choice(bool& asked, std::string_view& name) {
        if (cursor_.peek() == '"') {
            asked = name_of(cursor_.take_string()) == "required";
            return true;
        }
        if (cursor_.peek() != '{') return cursor_.skip_value();
        return cursor_.each_member([&](Range key) {
            if (name_of(key) != "function" || cursor_.peek() != '{') return cursor_.skip_value();
            return cursor_.each_member([&](Range inner) {
                if (name_of(inner) != "name" || cursor_.peek() != '"') return cursor_.skip_value();
                name = name_of(cursor_.take_string());
                return asked = true;
            });
        });
    }

  private:
    std::string_view name_of(Range key) const { return inside(cursor_.text(), key); }

    bool read_function(Function& function) {
        return cursor_.each_member([&](Range key) {
            if (name_of(key) == "name" && cursor_.peek() == '"') {
                function.name = name_of(cursor_.take_string());
                return true;
            }
            if (name_of(key) != "parameters" || cursor_.peek() != '{') return cursor_.skip_value();
            return read_schema(function);
        });
    }

    bool read_schema(Function& function) {
        return cursor_.each_member([&](Range key) {
            if (name_of(key) == "properties" && cursor_.peek() == '{') {
                return cursor_.each_member([&](Range property) {
                    function.properties.push_back({text_of(cursor_.text(), property), "", ""});
                    return cursor_.peek() == '{' ? read_property(function.properties.back()) : cursor_.skip_value();
                });
            }
            if (name_of(key) != "required" || cursor_.peek() != '[') return cursor_.skip_value();
            return cursor_.each_element([&] {
                Range name;
                if (!cursor_.skip_value(name)) return false;
                function.required.push_back(text_of(cursor_.text(), name));
                return true;
            });
        });
    }

    bool read_property(Property& property) {
        return cursor_.each_member([&](Range key) {
            if (name_of(key) == "type" && cursor_.peek() == '"') {
                property.type = name_of(cursor_.take_string());
                return true;
            }
            if (name_of(key) != "enum" || cursor_.peek() != '[') return cursor_.skip_value();
            return cursor_.each_element([&] {
                Range value;
                if (!cursor_.skip_value(value)) return false;
                if (property.first.empty()) property.first = text_of(cursor_.text(), value);
                return true;
            });
        });
    }

    Cursor cursor_;
};

std::string_view value_of(const Property& property) {
    if (!property.first.empty()) return property.first;
    if (property.type == "integer" || property.type == "number") return "1";
    if (property.type == "boolean") return "true";
    if (property.type == "array") return "[]";
    if (property.type == "object") return "{}";
    if (property.type == "null") return "null";
    return R"("echo")";
}

EchoCall call_of(const Function& function) {
    EchoCall call;
    if (!unescape(function.name, call.name)) call.name = function.name;
    call.arguments = "{";
    for (const Property& property : function.properties) {
        if (std::ranges::find(function.required, property.key) == function.required.end()) continue;
        if (call.arguments.size() > 1) call.arguments += ", ";
        call.arguments.append(property.key).append(": ").append(value_of(property));
    }
    call.arguments += "}";
    return call;
}

}  // namespace

bool read_echo_calls(const Request& request, std::string_view body, std::vector<EchoCall>& calls) {
    if (!request.has_tools || request.tools_range.absent() || request.tool_choice_range.absent()) return true;
    Structure structure;
    Tokens tokens;
    Fault fault;
    const auto index = [&](std::string_view text) {
        return structure.index(text, Structure::Utf8::passed, tokens, fault);
    };
    bool asked = false;
    std::string_view name;
    const std::string_view choice = text_of(body, request.tool_choice_range);
    if (!index(choice) || !ToolWalk(choice, tokens).read_choice(asked, name) || !asked) return true;
    std::vector<Function> functions;
    const std::string_view tools = text_of(body, request.tools_range);
    if (!index(tools) || !ToolWalk(tools, tokens).read_tools(functions)) return true;
    for (const Function& function : functions) {
        if (calls.size() == echo_calls_max) break;
        if (name.empty() || (function.name == name && calls.empty())) calls.push_back(call_of(function));
    }
    return !calls.empty();
}

}  // namespace loom::llm
