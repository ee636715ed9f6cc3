namespace AuthSidecar.Cli.Quickstart;

/// <summary>What to ask the sample's sidecar, and what it answers.</summary>
internal static class SampleCalls
{
    /// <param name="output">Gets the lines.</param>
    /// <param name="folder">The folder of the sample.</param>
    /// <param name="address">Where its sidecar is.</param>
    /// <param name="control">How its control plane is commanded; null: there is none, and the sidecar follows the bundle folder.</param>
    public static void Write(TextWriter output, string folder, string address, SampleControl? control)
    {
        var sample = new SampleApplication(folder);
        var binary = Path.GetRelativePath(Environment.CurrentDirectory, Environment.ProcessPath!);
        output.WriteLine();
        output.WriteLine($"The sidecar answers on {address}. A token of alice, valid for twelve hours:");
        output.WriteLine();
        output.WriteLine(File.ReadAllText(sample.TokenFileOf("alice")).Trim());
        output.WriteLine();
        output.WriteLine("Each of these lines can be pasted into another terminal, in this folder:");
        Line("Is her token valid?", "valid", "validate-token --token-file {alice}");
        Line("May she update her own document?", "allow", "check --token-file {alice} --action update --resource 'Document::\"plan\"'");
        Line("May she update bob's?", "deny", "check --token-file {alice} --action update --resource 'Document::\"minutes\"'");
        Line("May she delete what is confidential?", "step up",
            "check --token-file {alice} --action delete --resource 'Document::\"salaries\"'");
        Line("May a suspended user read?", "deny", "check --token-file {mallory} --action read --resource 'Document::\"plan\"'");
        Line("May a user of another tenant?", "deny", "check --token-file {eve} --action read --resource 'Document::\"plan\"'");
        Line("How risky is an unknown device on a denied network?", "deny",
            "evaluate-risk --subject 'User::\"alice\"' --device stolen --peer 198.51.100.7");
        Line("Is this code correct? (Once: a code can be used once, and there is a new one every 30 seconds.)", "verified",
            $"verify-mfa --subject 'User::\"alice\"' --factor {SampleApplication.TotpFactorId} --code \"$({binary} quickstart show-code "
                + $"{folder})\"");
        if (control is null)
        {
            output.WriteLine();
            output.WriteLine($"Change a policy in {sample.Bundle}/policies, and ask again: the change is active within a second.");
            return;
        }

        Line("And after her role is removed?", "deny",
            $"check --token-file {{alice}} --action update --resource 'Document::\"plan\"' --at-least-revision "
                + $"\"$({control.Memberships("remove")})\"");
        Line("And after it is added again?", "allow",
            $"check --token-file {{alice}} --action update --resource 'Document::\"plan\"' --at-least-revision "
                + $"\"$({control.Memberships("add")})\"");
        output.WriteLine();
        output.WriteLine($"Change a policy in {sample.Bundle}/policies, and publish it:");
        output.WriteLine();
        output.WriteLine($"  {control.Command("policies publish", $"{sample.Bundle} --application {SampleApplication.Audience}")}");

        void Line(string question, string answer, string arguments)
        {
            foreach (var user in new[] { "alice", "mallory", "eve" })
                arguments = arguments.Replace($"{{{user}}}", sample.TokenFileOf(user), StringComparison.Ordinal);

            output.WriteLine();
            output.WriteLine($"# {question} -> {answer}");
            output.WriteLine($"{binary} {arguments} --address {address}");
        }
    }
}

/// <summary>How the sample's control plane is commanded.</summary>
/// <param name="Binary">Its binary.</param>
/// <param name="AdminSocket">Its socket for administration.</param>
internal sealed record SampleControl(string Binary, string AdminSocket)
{
    public string Memberships(string verb) => Command($"memberships {verb}", "'User::\"alice\"' 'Role::\"user\"'");
    public string Command(string name, string arguments) => $"{Binary} {name} {arguments} --admin-socket {AdminSocket}";
}
