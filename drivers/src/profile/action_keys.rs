//! The keys of an action that every protocol shares.

use kouan_protocol::{ActionSpec, ArgumentKind, ArgumentSpec};
use kouan_settings::Section;

use super::read::{Action, Dialect};

pub(super) fn read_action<D: Dialect>(dialect: &D, model: &D::Model, section: &mut Section<'_>) -> Option<Action<D>> {
    let line = section.line();
    let name = section.string_required(
        "name",
        ("the action's name, such as name = \"relay.set\"", "操作的名称，如 name = \"relay.set\""),
    );
    let moves = section.bool_or("moves", true);
    let needs_reader = section.bool_or("needs_reader", false);
    let mut arguments = Vec::new();
    for mut argument in section.sections("argument") {
        let kinds = [
            ("number", ArgumentKind::Number),
            ("integer", ArgumentKind::Integer),
            ("text", ArgumentKind::Text),
            ("flag", ArgumentKind::Flag),
        ];
        let name = argument.string_required("name", ("the argument's name", "参数的名称"));
        argument.require(
            "is",
            (
                "its type: \"number\", \"integer\", \"text\" or \"flag\"",
                "类型：\"number\"、\"integer\"、\"text\" 或 \"flag\"",
            ),
        );
        let kind = argument.choice("is", &kinds);
        let (Some(name), Some(kind)) = (name, kind) else {
            argument.ignore_rest();
            continue;
        };
        arguments.push(ArgumentSpec {
            name,
            kind,
            required: argument.bool_or("required", true),
            min: argument.number("min"),
            max: argument.number("max"),
            choices: argument.strings("choices"),
        });
    }
    let Some(speak) = dialect.read_action(model, section) else {
        section.ignore_rest();
        return None;
    };
    Some(Action { line, spec: ActionSpec { name: name?, moves, arguments }, needs_reader, speak })
}
