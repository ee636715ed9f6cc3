using System.Collections.Immutable;
using AuthSidecar.ControlPlane.Identity.Accounts;
using AuthSidecar.ControlPlane.Identity.Sessions;

namespace AuthSidecar.ControlPlane.Identity.Pages;

/// <summary>To allow a client something, or not.</summary>
internal sealed class ConsentModel(BrowserSessions browser, Consents consents, AccountDirectory accounts) : PageModel
{
    [BindProperty(SupportsGet = true, Name = "return")]
    public string Return { get; set => field = value ?? ""; } = "";

    [BindProperty]
    public string Decision { get; set; } = "";

    public string ClientName { get; private set; } = "";
    public string AccountName { get; private set; } = "";
    public IReadOnlyList<string> Lines { get; private set; } = [];
    public async Task<IActionResult> OnGetAsync() => await ReadAsync() is null ? BadRequest() : Page();

    public async Task<IActionResult> OnPostAsync()
    {
        if (await ReadAsync() is not var (session, clientId, scopes))
            return BadRequest();

        if (Decision != "allow")
            return LocalRedirect($"{Return}&{AuthorizeEndpoint.Denied}=1");

        return LocalRedirect(await consents.GiveAsync(session, Return, clientId, scopes, HttpContext.RequestAborted));
    }

    /// <summary>Who is asked, about whom and what; null when nobody is.</summary>
    private async Task<(SessionRow Session, string ClientId, ImmutableArray<string> Scopes)?> ReadAsync()
    {
        if (!Url.IsLocalUrl(Return) || await browser.FindAsync(HttpContext) is not { } session
            || await accounts.FindAsync(session.AccountId, HttpContext.RequestAborted) is not { } account)
        {
            return null;
        }

        var clientId = ReturnUrl.ParameterOf(Return, Parameters.ClientId);
        if (clientId.Length == 0 || await consents.NameOfAsync(clientId, HttpContext.RequestAborted) is not { } name)
            return null;

        await consents.AllowReturnAsync(HttpContext, Return);
        var scopes = ReturnUrl.ParameterOf(Return, Parameters.Scope).Split(' ', StringSplitOptions.RemoveEmptyEntries).ToImmutableArray();
        (ClientName, AccountName) = (name, account.DisplayName.Length > 0 ? account.DisplayName : account.UserName!);
        Lines = Consents.Describe(scopes);
        return (session, clientId, scopes);
    }
}
