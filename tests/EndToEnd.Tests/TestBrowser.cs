using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;

namespace EndToEnd.Tests;

/// <summary>What a browser is to a server: cookies, redirects, and forms that somebody fills in.</summary>
internal sealed partial class TestBrowser : IDisposable
{
    private const int MaxHops = 20;

    private readonly CookieContainer _cookies = new();
    private readonly HttpClient _http;

    public TestBrowser(Uri home, Uri? proxy, params string[] caFiles)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        foreach (var file in caFiles)
        {
            policy.CustomTrustStore.ImportFromPemFile(file);
        }

        _http = new HttpClient(new SocketsHttpHandler
        {
            SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy },
            AllowAutoRedirect = false,
            CookieContainer = _cookies,
            Proxy = proxy is null ? null : new WebProxy(proxy, BypassOnLocal: false, ["127\\.0\\.0\\.1"]),
            UseProxy = proxy is not null,
        })
        { BaseAddress = home };
    }

    /// <summary>Every address that was asked for, in turn.</summary>
    public List<Uri> Visited { get; } = [];

    public Task<Page> GoAsync(string path, Func<Uri, Uri?>? redirect = null) => FollowAsync(new HttpRequestMessage(HttpMethod.Get, new Uri(_http.BaseAddress!, path)), redirect);

    /// <summary>Fills in the form of a page, what is hidden in it included, and sends it.</summary>
    public Task<Page> SubmitAsync(Page page, string action, params (string Name, string Value)[] fields) => SubmitAsync(page, action, redirect: null, fields);

    /// <inheritdoc cref="SubmitAsync(Page, string, ValueTuple{string, string}[])"/>
    public Task<Page> SubmitAsync(Page page, string action, Func<Uri, Uri?>? redirect, params (string Name, string Value)[] fields)
    {
        var body = page.FormWith(fields[0].Name, action).Where(h => fields.All(f => f.Name != h.Name)).Concat(fields).Select(f => KeyValuePair.Create(f.Name, f.Value));
        return FollowAsync(new HttpRequestMessage(HttpMethod.Post, new Uri(page.Url, action)) { Content = new FormUrlEncodedContent(body) }, redirect);
    }

    /// <summary>Sends a form that is on no page of the server's.</summary>
    public Task<Page> PostAsync(string path, params (string Name, string Value)[] fields) =>
        FollowAsync(new HttpRequestMessage(HttpMethod.Post, new Uri(_http.BaseAddress!, path)) { Content = new FormUrlEncodedContent(fields.Select(f => KeyValuePair.Create(f.Name, f.Value))) }, redirect: null);

    public void Dispose() => _http.Dispose();

    /// <param name="request">What is asked for.</param>
    /// <param name="redirect">Looks at each address that it is sent on to, and may change it; null: it stays where it is.</param>
    private async Task<Page> FollowAsync(HttpRequestMessage request, Func<Uri, Uri?>? redirect)
    {
        for (var hop = 0; hop < MaxHops; hop++)
        {
            var url = request.RequestUri!;
            Visited.Add(url);
            using var response = await _http.SendAsync(request, TestContext.Current.CancellationToken);
            request.Dispose();
            var next = response.Headers.Location is { } location ? new Uri(url, location) : null;
            next = next is null || redirect is null ? next : redirect(next);
            if (next is null)
            {
                return new Page(url, response.StatusCode, response.Headers.Location, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
            }

            request = new HttpRequestMessage(HttpMethod.Get, next);
        }

        throw new InvalidOperationException("too many redirects");
    }

    /// <summary>Where it ended.</summary>
    internal sealed partial record Page(Uri Url, HttpStatusCode Status, Uri? Location, string Text)
    {
        /// <summary>The text of it, as somebody reads it.</summary>
        public string Read() => WebUtility.HtmlDecode(Tags().Replace(Text, " "));

        /// <summary>The address of a link with these words; null: there is none.</summary>
        public string? LinkTo(string words) => Regex.Match(Text, $"<a[^>]*href=\"([^\"]*)\"[^>]*>{Regex.Escape(words)}</a>") is { Success: true } link ? WebUtility.HtmlDecode(link.Groups[1].Value) : null;

        /// <summary>What is hidden in the form that has this field and goes there.</summary>
        public IEnumerable<(string Name, string Value)> FormWith(string field, string action)
        {
            var form = Forms().Matches(Text).Select(m => m.Value).First(f =>
                f.Contains($"name=\"{field}\"", StringComparison.Ordinal) && (!f.Contains("action=", StringComparison.Ordinal) || WebUtility.HtmlDecode(f).Contains($"action=\"{action}\"", StringComparison.Ordinal)));
            return Inputs().Matches(form).Select(m => m.Value).Where(i => i.Contains("type=\"hidden\"", StringComparison.Ordinal)).Select(i => (Attribute(i, "name"), Attribute(i, "value")));
        }

        private static string Attribute(string tag, string name) => WebUtility.HtmlDecode(Regex.Match(tag, $"{name}=\"([^\"]*)\"").Groups[1].Value);

        [GeneratedRegex("<[^>]*>")]
        private static partial Regex Tags();

        [GeneratedRegex("<input[^>]*>")]
        private static partial Regex Inputs();

        [GeneratedRegex("<form.*?</form>", RegexOptions.Singleline)]
        private static partial Regex Forms();
    }
}
