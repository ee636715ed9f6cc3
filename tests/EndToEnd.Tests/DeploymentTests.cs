using k8s;
using k8s.Models;
using Npgsql;

namespace EndToEnd.Tests;

/// <summary>What is deployed: every manifest as the Kubernetes API takes it, strictly, and what each must have.</summary>
public sealed class DeploymentTests
{
    private static readonly string Folder = Path.Combine(Binary.Root, "deploy", "k8s");

    private static IReadOnlyList<string> Resources =>
        [.. File.ReadAllLines(Path.Combine(Folder, "kustomization.yaml")).SkipWhile(l => l != "resources:").Skip(1).TakeWhile(l => l.StartsWith("  - ", StringComparison.Ordinal)).Select(l => l[4..])];

    private static List<object> Objects => [.. Resources.SelectMany(r => KubernetesYaml.LoadAllFromString(File.ReadAllText(Path.Combine(Folder, r)), strict: true))];

    private static IEnumerable<V1PodSpec> Pods => Objects.Select(o => o switch
    {
        V1Deployment deployment => deployment.Spec.Template.Spec,
        V1StatefulSet set => set.Spec.Template.Spec,
        V1Job job => job.Spec.Template.Spec,
        _ => null,
    }).OfType<V1PodSpec>();

    [Fact]
    public void Manifests_AllOfThem_AreListedAndLoadStrictly()
    {
        var files = Directory.EnumerateFiles(Folder, "*.yaml").Select(f => Path.GetFileName(f)).Where(f => f != "kustomization.yaml");
        Assert.Equal(files.Order(StringComparer.Ordinal), Resources.Order(StringComparer.Ordinal));
        Assert.Equal(
            ["V1ClusterRoleBinding", "V1ConfigMap", "V1Deployment", "V1Job", "V1Namespace", "V1PodDisruptionBudget", "V1Service", "V1Service", "V1ServiceAccount", "V1ServiceAccount", "V1StatefulSet"],
            Objects.Select(o => o.GetType().Name).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Manifest_WithAMemberThatTheApiDoesNotHave_DoesNotLoad() =>
        Assert.ThrowsAny<Exception>(() => KubernetesYaml.LoadAllFromString("apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{porrt: 1}]}\n", strict: true));

    [Fact]
    public void Pods_RunAsNobody_AndCanChangeNothingButTheirState()
    {
        Assert.Equal(3, Pods.Count());
        Assert.All(Pods, p =>
        {
            Assert.True(p.SecurityContext.RunAsNonRoot);
            Assert.Equal("RuntimeDefault", p.SecurityContext.SeccompProfile.Type);
            Assert.False(p.AutomountServiceAccountToken);
        });
        Assert.All(Pods.SelectMany(p => p.Containers.Concat(p.InitContainers ?? [])), c =>
        {
            Assert.False(c.SecurityContext.AllowPrivilegeEscalation);
            Assert.Equal(["ALL"], c.SecurityContext.Capabilities.Drop);
            Assert.True(c.Resources.Limits.ContainsKey("memory"));
            // PostgreSQL writes beside its data.
            Assert.True(c.Name == "postgres" || c.SecurityContext.ReadOnlyRootFilesystem is true);
        });
    }

    /// <summary>KEP-753: an init container that is always restarted is there before the application, and until after it.</summary>
    [Fact]
    public void Sidecar_IsANativeOne_AndSharesItsSocketWithTheApplication()
    {
        var pod = Objects.OfType<V1Job>().Single().Spec.Template.Spec;
        var sidecar = Assert.Single(pod.InitContainers);
        Assert.Equal("Always", sidecar.RestartPolicy);
        Assert.NotNull(sidecar.StartupProbe);
        var application = Assert.Single(pod.Containers);
        var shared = sidecar.VolumeMounts.Select(m => (m.Name, m.MountPath)).Intersect(application.VolumeMounts.Select(m => (m.Name, m.MountPath)));
        Assert.Equal([("sockets", "/run/authsidecar")], shared);
        Assert.Contains("/run/authsidecar/authsidecar.sock", sidecar.Args);
    }

    /// <summary>Pods enrol with the token that is projected into them: what the control plane is told of them is what they are.</summary>
    [Fact]
    public void Clusters_OfTheConfigMap_AreReadableAndNameTheServiceAccountOfTheSample()
    {
        var map = Objects.OfType<V1ConfigMap>().Single(m => m.Metadata.Name == "authsidecar-clusters");
        var control = Objects.OfType<V1Deployment>().Single(d => d.Metadata.Name == "authsidecar-control").Spec.Template.Spec;
        var cluster = Assert.Single(System.Text.Json.Nodes.JsonNode.Parse(map.Data["clusters.json"])!["clusters"]!.AsArray())!.AsObject();
        Assert.Equal(["ca", "issuer", "serviceAccounts", "tokenFile", "tokenReview"], cluster.Select(m => m.Key).Order(StringComparer.Ordinal));
        var pod = Objects.OfType<V1Job>().Single().Spec.Template.Spec;
        var binding = Assert.Single(cluster["serviceAccounts"]!.AsArray())!;
        Assert.Equal(("authsidecar", pod.ServiceAccountName), ((string?)binding["namespace"], (string?)binding["name"]));
        var arguments = pod.InitContainers.Single().Args;
        Assert.Equal((string?)binding["application"], arguments[arguments.IndexOf("--application") + 1]);
        var projected = pod.Volumes.Single(v => v.Name == "identity").Projected.Sources.Single().ServiceAccountToken;
        Assert.Equal(("authsidecar", $"/var/run/secrets/authsidecar/{projected.Path}"), (projected.Audience, arguments[arguments.IndexOf("--join-kubernetes") + 1]));
        // What is mounted is where the file says.
        var mounted = control.Volumes.Single(v => v.Name == "api").Projected.Sources.SelectMany(s => s.ConfigMap?.Items.Select(m => m.Path) ?? [s.ServiceAccountToken.Path]);
        Assert.Equal(new[] { (string)cluster["ca"]!, (string)cluster["tokenFile"]! }, mounted.Select(m => $"{control.Containers[0].VolumeMounts.Single(v => v.Name == "api").MountPath}/{m}").Order(StringComparer.Ordinal));
        Assert.All(Pods.Select(p => p.ServiceAccountName).OfType<string>(), a => Assert.Contains(Objects.OfType<V1ServiceAccount>(), s => s.Metadata.Name == a));
        // Who reviews tokens may.
        var role = Objects.OfType<V1ClusterRoleBinding>().Single();
        Assert.Equal(("system:auth-delegator", control.ServiceAccountName), (role.RoleRef.Name, role.Subjects.Single().Name));
    }

    /// <summary>A manifest that names another option, or a value that is none, would end in a crash loop.</summary>
    [Fact]
    public async Task Containers_StartedWithTheirArguments_Run()
    {
        var folder = Directory.CreateTempSubdirectory("deploy").FullName;
        try
        {
            await File.WriteAllTextAsync($"{folder}/ca.pem", Certificate(), TestContext.Current.CancellationToken);
            await File.WriteAllTextAsync($"{folder}/token", "a.b.c", TestContext.Current.CancellationToken);
            var clusters = System.Text.Json.Nodes.JsonNode.Parse(Objects.OfType<V1ConfigMap>().Single(m => m.Metadata.Name == "authsidecar-clusters").Data["clusters.json"])!;
            (clusters["clusters"]![0]!["ca"], clusters["clusters"]![0]!["tokenFile"]) = ($"{folder}/ca.pem", $"{folder}/token");
            await File.WriteAllTextAsync($"{folder}/clusters.json", clusters.ToJsonString(), TestContext.Current.CancellationToken);
            var (started, probed) = (0, 0);
            foreach (var container in Pods.SelectMany(p => p.Containers.Concat(p.InitContainers ?? [])).Where(c => c.Image.StartsWith("authsidecar", StringComparison.Ordinal)))
            {
                var arguments = container.Args.Select(a => Substitute(a, folder)).ToList();
                if (arguments[0] != "serve")
                {
                    // A question without a sidecar is a question all the same.
                    var asked = await Binary.RunAsync([.. arguments]);
                    Assert.Equal((2, $"authsidecar: no sidecar answers at unix:{folder}/authsidecar.sock\n"), (asked.ExitCode, asked.Error));
                    continue;
                }

                var environment = new Dictionary<string, string> { ["AUTHSIDECAR_MASTER_KEY"] = Convert.ToBase64String(new byte[32]) };
                using var process = Binary.Start(container.Image == "authsidecar" ? Binary.Sidecar : Binary.ControlPlane, arguments, environment);
                var lines = new System.Collections.Concurrent.ConcurrentQueue<string>();
                process.OutputDataReceived += (_, e) => lines.Enqueue(e.Data ?? "");
                process.ErrorDataReceived += (_, e) => lines.Enqueue(e.Data ?? "");
                process.BeginOutputReadLine();
                process.BeginErrorReadLine();
                try
                {
                    await Fleet.UntilAsync(() => Task.FromResult(process.HasExited || lines.Any(l => l.Contains("listening on ", StringComparison.Ordinal))));
                    Assert.False(process.HasExited, $"{container.Name}: {string.Join('\n', lines)}");
                    started++;
                    foreach (var command in new[] { container.StartupProbe, container.ReadinessProbe, container.LivenessProbe }.Select(p => p?.Exec?.Command).OfType<IList<string>>())
                    {
                        Assert.Contains($"ENTRYPOINT [\"{command[0]}\"]", File.ReadLines(Path.Combine(Binary.Root, "Dockerfile")));
                        string[] probe = [.. command.Skip(1).Select(a => Substitute(a, folder))];
                        var answered = await (container.Image == "authsidecar" ? Binary.RunAsync(probe) : Binary.RunControlAsync(probe));
                        // Ready or not, which it is not without its control plane: what is no command line, or goes to another place, gets no answer.
                        Assert.True(answered.ExitCode is 0 or 1, $"{container.Name}: `{string.Join(' ', command)}` ended with {answered.ExitCode}: {answered.Error}");
                        probed++;
                    }
                }
                finally
                {
                    process.Kill(entireProcessTree: true);
                    await process.WaitForExitAsync(TestContext.Current.CancellationToken);
                }
            }

            Assert.Equal((2, 2), (started, probed));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        static string Certificate()
        {
            using var key = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
            using var certificate = new System.Security.Cryptography.X509Certificates.CertificateRequest("CN=ca", key, System.Security.Cryptography.HashAlgorithmName.SHA256)
                .CreateSelfSigned(TimeProvider.System.GetUtcNow(), TimeProvider.System.GetUtcNow().AddDays(1));
            return certificate.ExportCertificatePem();
        }
    }

    /// <summary>What a container is given, in places that this machine has.</summary>
    private static string Substitute(string argument, string folder) => argument switch
    {
        _ when argument.StartsWith("postgres:", StringComparison.Ordinal) => ToSqlite(argument["postgres:".Length..], folder),
        "0.0.0.0:7443" or "0.0.0.0:8443" => $"127.0.0.1:{Fleet.FreePort()}",
        "https://authsidecar-control:7443" => "https://127.0.0.1:1",
        "$(POD_NAME)" => "web-0",
        _ when argument.StartsWith('/') => $"{folder}/{Path.GetFileName(argument)}",
        _ => argument.Replace("unix:/run/authsidecar/", $"unix:{folder}/", StringComparison.Ordinal),
    };

    /// <summary>Another database in place of one that this machine does not have, once it is known that the control plane could read where that is, and that it is there.</summary>
    private static string ToSqlite(string connection, string folder)
    {
        // It does not take keywords that it does not know.
        var there = new NpgsqlConnectionStringBuilder(connection);
        var server = Pods.SelectMany(p => p.Containers).Single(c => c.Name == "postgres").Env;
        Assert.Contains(there.Host, Objects.OfType<V1Service>().Select(s => s.Metadata.Name));
        Assert.Equal((ValueOf("POSTGRES_USER"), ValueOf("POSTGRES_DB"), "$(POSTGRES_PASSWORD)"), (there.Username, there.Database, there.Password));
        return $"sqlite:{folder}/control.db";

        string? ValueOf(string name) => server.Single(e => e.Name == name).Value;
    }

    /// <summary>What a fresh clone has is enough to render: nothing that is ignored is needed.</summary>
    [Fact]
    public async Task Kustomization_OfWhatIsCommitted_Renders()
    {
        var folder = Directory.CreateTempSubdirectory("kustomize").FullName;
        try
        {
            var exported = await Binary.ShellAsync($"git ls-files deploy/k8s | xargs cp -t {folder} && kubectl kustomize {folder}");
            Assert.Equal((0, ""), (exported.ExitCode, exported.Error));
            Assert.Equal(Objects.Count, KubernetesYaml.LoadAllFromString(exported.Output, strict: true).Count);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Whatever a final stage copies was made by the stage it names.</summary>
    [Fact]
    public void Copies_OfTheImages_HaveASource()
    {
        var lines = File.ReadAllLines(Path.Combine(Binary.Root, "Dockerfile"));
        var stages = lines.Where(l => l.StartsWith("FROM ", StringComparison.Ordinal)).Select(l => l.Split(" AS ")[1]).ToList();
        var copies = lines.Where(l => l.StartsWith("COPY --from=", StringComparison.Ordinal)).Select(l => l.Split(' ')).ToList();
        Assert.Equal(7, copies.Count);
        Assert.All(copies, c =>
        {
            Assert.Contains(c[1]["--from=".Length..], stages);
            var source = c[^2];
            var stage = c[1]["--from=".Length..];
            Assert.True(source is "/state" or "/sockets"
                ? lines.Contains("RUN mkdir -p /state /sockets")
                : lines.SkipWhile(l => !l.EndsWith($" AS {stage}", StringComparison.Ordinal)).Skip(1).First().Contains($" --output /{source.Split('/')[1]}", StringComparison.Ordinal), $"{source} of {stage}");
        });
    }

    /// <summary>Names that are referred to are there: secrets, services, volumes.</summary>
    [Fact]
    public void References_BetweenManifests_LeadSomewhere()
    {
        var services = Objects.OfType<V1Service>().Select(s => s.Metadata.Name).ToHashSet();
        Assert.Contains("postgres", services);
        Assert.Contains("authsidecar-control", services);
        Assert.All(Pods, p => Assert.All(
            p.Containers.Concat(p.InitContainers ?? []).SelectMany(c => c.VolumeMounts),
            m => Assert.Contains(m.Name, (p.Volumes?.Select(v => v.Name) ?? []).Append("data"))));
        foreach (var service in Objects.OfType<V1Service>())
        {
            Assert.Contains(Objects, o => o is V1Deployment d && service.Spec.Selector.All(s => d.Spec.Template.Metadata.Labels[s.Key] == s.Value)
                || o is V1StatefulSet t && service.Spec.Selector.All(s => t.Spec.Template.Metadata.Labels[s.Key] == s.Value));
        }

        var secrets = File.ReadAllLines(Path.Combine(Folder, "secrets.env.example")).Where(l => l.Contains('=', StringComparison.Ordinal)).Select(l => l.Split('=')[0]).ToHashSet();
        Assert.All(
            Pods.SelectMany(p => p.Containers).SelectMany(c => c.Env ?? []).Select(e => e.ValueFrom?.SecretKeyRef).OfType<V1SecretKeySelector>(),
            s => Assert.True(s.Name == "authsidecar-control" && secrets.Contains(s.Key)));
    }

    [Fact]
    public void Images_EndWithoutAShellAndWithoutRoot()
    {
        var stages = string.Join('\n', File.ReadAllLines(Path.Combine(Binary.Root, "Dockerfile"))).Split("\nFROM ")[1..];
        var final = stages.Where(s => s.Split('\n')[0].EndsWith(" AS sidecar", StringComparison.Ordinal) || s.Split('\n')[0].EndsWith(" AS control-plane", StringComparison.Ordinal)).ToList();
        Assert.Equal(2, final.Count);
        Assert.All(final, s =>
        {
            Assert.Contains("-chiseled-extra ", s.Split('\n')[0], StringComparison.Ordinal);
            Assert.Contains("\nUSER $APP_UID\n", s, StringComparison.Ordinal);
            Assert.DoesNotContain("\nRUN ", s, StringComparison.Ordinal);
        });
    }
}
