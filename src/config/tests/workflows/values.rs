//! Values in the texts of steps, and what they are compared with.

use super::super::Home;

#[test]
fn a_parameter_in_the_braces_of_scripts_is_told() {
    let home = Home::new();
    let yaml = |step: &str| {
        format!(
            "workflows:\n  w:\n    params: [{{name: version}}]\n    steps: [{{name: a, {step}}}]\n"
        )
    };
    let told =
        "`{version}` is plain text in a workflow; write {{ params.version }} for the parameter";
    let faults = home.bad(&yaml("run: [./run.sh, '--to={version}']"));
    assert_eq!(faults, [format!("4:39 {told}")]);
    // That alone is told: it says why the parameter is not used.
    let faults = home.bad(&yaml("hold: 1s, when: '{version} == 1'"));
    assert!(
        matches!(faults.as_slice(), [one] if one.contains("two plain texts")),
        "{faults:#?}"
    );
    let warned = |step: &str| -> Vec<String> {
        let warnings = home.good(&yaml(step)).warnings;
        warnings.into_iter().map(|one| one.message).collect()
    };
    let both = "run: [./run.sh, '{{ params.version }}', '{version}']";
    assert_eq!(warned(both), [told]);
    // Also beside another fault.
    let faults = home.bad(&yaml(&format!("{both}, when: x")));
    assert!(faults.iter().any(|one| one.ends_with(told)), "{faults:#?}");
    let faults = home.bad(&yaml("run: [./run.sh, '{params.version}']"));
    let dotted = told.replace("`{version}`", "`{params.version}`");
    assert_eq!(faults, [format!("4:39 {dotted}")]);
    let faults = home.bad(&yaml("run: [./run.sh, '{{ version }}']"));
    let bare = "4:39 `{{ version }}` names no value; write {{ params.version }} for the parameter";
    assert_eq!(faults, [bare]);
    assert_eq!(
        warned("run: [./run.sh, '${{ params.version }}']"),
        ["`${{ params.version }}` leaves a $ in front of the value; write {{ params.version }}"]
    );
    // What a shell reads, and braces around other words, are left alone.
    let shell = "run: [./run.sh, '{{ params.version }}', 'v=1; echo ${version} {vers}']";
    assert!(warned(shell).is_empty());
}

#[test]
fn a_place_without_quotes_is_one_fault_that_says_what_to_write() {
    let home = Home::new();
    for (step, place, value) in [
        (
            "{name: a, run: [./run.sh, {{ params.v }}]}",
            "5:35",
            "{{ params.v }}",
        ),
        (
            "{name: a, run: [./run.sh, --v={{params.v}}, x]}",
            "5:35",
            "--v={{params.v}}",
        ),
        (
            "{name: a, notify: {{ params.v }} is live}",
            "5:27",
            "{{ params.v }} is live",
        ),
        (
            "name: a\n        notify: {{ params.v }}",
            "6:17",
            "{{ params.v }}",
        ),
        (
            "name: a\n        when: {{ params.v }} == x # only then\n        notify: x",
            "6:15",
            "{{ params.v }} == x",
        ),
    ] {
        let faults = home.bad(&format!(
            "workflows:\n  w:\n    params: [{{name: v}}]\n    steps:\n      - {step}\n"
        ));
        let told = format!(
            "{place} `{value}` needs quotes, since YAML has braces of its own; write '{value}'"
        );
        assert_eq!(faults, [told], "{step}");
    }
}

#[test]
fn what_a_parameter_never_is_needs_no_comparison() {
    let home = Home::new();
    let yaml = |when: &str| {
        format!(
            "workflows: {{w: {{params: [{{name: to, choices: [live, prod]}}, {{name: sure, type: boolean, default: no}}], \
             steps: [{{name: a, notify: '{{{{ params.to }}}} {{{{ params.sure }}}}', when: '{when}'}}]}}}}"
        )
    };
    for (when, told) in [
        (
            "{{ params.to }} == prd",
            "compares params.to with `prd`, which it never is; write live or prod (did you mean `prod`?)",
        ),
        ("test != {{ params.to }}", "write live or prod"),
        ("{{ params.sure }} == yes", "write true or false"),
    ] {
        let faults = home.bad(&yaml(when));
        assert!(
            matches!(faults.as_slice(), [one] if one.ends_with(told)),
            "{when}: {faults:#?}"
        );
    }
    for when in ["{{ params.to }} == live", "{{ params.sure }} != true"] {
        home.good(&yaml(when));
    }
}

#[test]
fn what_is_not_used_is_told_where_it_is_declared() {
    let faults = Home::new().bad(
        "workflows:\n  w:\n    params:\n      - {name: used}\n      - {name: not}\n    steps: [{name: a, notify: '{{ params.used }}'}]\n",
    );
    assert_eq!(
        faults,
        [
            "5:9 the parameter `not` of w is declared but no step uses it; write {{ params.not }} where it belongs"
        ]
    );
}

#[test]
fn a_secret_reaches_programs_and_servers_but_no_argument() {
    let home = Home::new();
    let env = [("PATH", "/usr/bin:/bin"), ("TOKEN", "hunter22")];
    let load = |step: &str| {
        let yaml = format!("workflows: {{w: {{secrets: [TOKEN], steps: [{step}]}}}}");
        home.load_with(&yaml, &env)
    };
    for good in [
        "{name: a, run: ./run.sh, env: {X: '{{ env.TOKEN }}'}}",
        "{name: a, http: {url: 'https://example.com', body: '{{ env.TOKEN }}', headers: {A: '{{ env.TOKEN }}'}}}",
    ] {
        assert!(load(good).is_ok(), "{good}");
    }
    for bad in [
        "{name: a, run: [./run.sh, '{{ env.TOKEN }}']}",
        "{name: a, notify: '{{ env.TOKEN }}'}",
        "{name: a, http: 'https://example.com/{{ env.TOKEN }}'}",
        "{name: a, hold: 1s, skip_if: [./run.sh, '{{ env.TOKEN }}']}",
    ] {
        let faults = load(bad)
            .err()
            .map(|faults| home.lines(&faults))
            .unwrap_or_default();
        assert!(
            matches!(faults.as_slice(), [one] if one.contains("`env.TOKEN` is a secret")),
            "{bad}: {faults:?}"
        );
    }
}
