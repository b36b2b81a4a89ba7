//! What the command line prints, word for word: `tests/cmd/*.trycmd`. `TRYCMD=overwrite` writes them anew.

#[test]
fn the_command_line_prints_what_the_files_say() {
    trycmd::TestCases::new().env("CI", "false").env("NO_COLOR", "1").case("tests/cmd/*.trycmd");
}
