//! Faults in the kinds of arguments and in where their choices come from.

use super::faults::each_is_told_once;

/// Each line of YAML with the one fault it must give.
const KINDS: &[(&str, &str)] = &[
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, type: number}]}}",
        "`scripts.a.args[0].type` is `number`; write text, integer, boolean or file",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, type: intger}]}}",
        "did you mean `integer`?",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, type: integer, min: 5, max: 2}]}}",
        "`scripts.a.args[0].max` is 2, less than `min`, which is 5; exchange them",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, min: 5}]}}",
        "`scripts.a.args[0].min` has a meaning only with `type: integer`; remove it",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, type: integer, min: '5'}]}}",
        "`scripts.a.args[0].min` is `5`; write a whole number",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, type: integer, max: 9, default: 10}]}}",
        "the default is not allowed: “10” does not fit x. Write a whole number up to 9.",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, type: boolean, default: maybe}]}}",
        "the default is not allowed: “maybe” does not fit x. Write yes or no.",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, type: boolean, choices: [a]}]}}",
        "`scripts.a.args[0].choices` has a meaning only without another `type` than text; remove it",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, type: integer, pattern: a}]}}",
        "`scripts.a.args[0].pattern` has a meaning only without another `type` than text; remove it",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, type: file, default: a}]}}",
        "`scripts.a.args[0].default` has a meaning only for what can be typed; remove it",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, type: boolean, allow_dash: true}]}}",
        "`scripts.a.args[0].allow_dash` has a meaning only for text and numbers; remove it",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, max_size: 1MB}]}}",
        "`scripts.a.args[0].max_size` has a meaning only with `type: file`; remove it",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, type: file, max_size: 21MiB}]}}",
        "`scripts.a.args[0].max_size` is `21MiB`; write a size from 1 bytes to 20 MiB",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, type: file, accept: []}]}}",
        "`scripts.a.args[0].accept` is empty; list endings or types, or leave the key out",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, type: file, accept: [sql]}]}}",
        "`sql` is neither an ending nor a type; write \".sql\", \"text/csv\" or \"image/*\"",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, hint: y}]}}",
        "`scripts.a.args[0].hint` has a meaning only with `pattern`; remove it",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, choices_ttl: 5s}]}}",
        "`scripts.a.args[0].choices_ttl` has a meaning only with `choices_from`; remove it",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, choices_from: ./run.sh, choices: [a]}]}}",
        "`scripts.a.args[0].choices_from` stands beside `choices`; keep one",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, choices_from: ./run.sh, choices_timeout: 31s}]}}",
        "`scripts.a.args[0].choices_timeout` is `31s`; write a time above 0 and up to 30 s",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, choices_from: ./nope.sh}]}}",
        "HOME/nope.sh",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, choices_from: []}]}}",
        "`scripts.a.args[0].choices_from` is empty",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, choices_from: ['{x}']}]}}",
        "the program itself cannot hold placeholders",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, choices_from: [./run.sh, '{y}']}, {name: y}]}}",
        "`{y}` is not an argument of this script; declare it under `args`",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, choices_from: [./run.sh, '{y}']}, {name: y}]}}",
        "(here, only arguments declared before this one count)",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, type: file}, {name: y, choices_from: [./run.sh, '{x}']}]}}",
        "a file cannot be looked at here; name other arguments",
    ),
    (
        "scripts: {a: {run: ./run.sh, args: [{name: x, type: integer, choices_from: ./run.sh}]}}",
        "`scripts.a.args[0].choices_from` has a meaning only without another `type` than text; remove it",
    ),
];

#[test]
fn each_fault_of_a_kind_is_told_once_with_its_place() {
    each_is_told_once(KINDS);
}
