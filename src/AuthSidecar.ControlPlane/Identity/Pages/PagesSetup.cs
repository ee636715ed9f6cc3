using System.Xml.Linq;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.DataProtection.Repositories;

namespace AuthSidecar.ControlPlane.Identity.Pages;

/// <summary>The pages that people see: to sign in, to consent, for devices, and for their own account. Rendered here, without a
/// script.</summary>
internal static class PagesSetup
{
    public const string LoginPath = "/login";
    public const string ConsentPath = "/consent";
    public const string SignedOutPath = "/signed-out";
    private const string StylePath = "/style.css";

    public static IServiceCollection AddPages(this IServiceCollection services)
    {
        services.AddDataProtection().SetApplicationName("authsidecar-control");
        services.AddOptions<KeyManagementOptions>().Configure<Database, SecretStore>(
            (options, database, secrets) => options.XmlRepository = new SealedKeys(database, secrets));
        services.AddAntiforgery(antiforgery =>
        {
            antiforgery.Cookie.Name = "__Host-form";
            antiforgery.Cookie.SecurePolicy = CookieSecurePolicy.Always;
            antiforgery.Cookie.SameSite = SameSiteMode.Strict;
            // We say it ourselves, for pages that are no forms as well.
            antiforgery.SuppressXFrameOptionsHeader = true;
        });
        services.AddRazorPages(pages => pages.RootDirectory = "/Identity/Pages");
        return services.AddSingleton<BrowserSessions>().AddSingleton<LinkRequests>().AddSingleton<LoginNotes>().AddScoped<Consents>();
    }

    public static void MapPages(this WebApplication app)
    {
        if (app.Services.GetRequiredService<IdentityServerOptions>().Url is null)
            return;

        app.MapRazorPages().AllowAnonymous().OnlyOn(Listener.Network);
        app.MapMethods("/" + ServerConstants.AuthorizePath, [HttpMethods.Get, HttpMethods.Post], AuthorizeEndpoint.HandleAsync)
            .ExcludeFromDescription().AllowAnonymous().OnlyOn(Listener.Network);
        app.MapGet("/", () => Results.LocalRedirect("/account")).ExcludeFromDescription().AllowAnonymous().OnlyOn(Listener.Network);
        app.MapGet(StylePath, (HttpContext context) =>
        {
            context.Response.Headers.CacheControl = "public, max-age=3600";
            return Results.Stream(typeof(PagesSetup).Assembly.GetManifestResourceStream("pages/style.css")!, "text/css; charset=utf-8");
        }).ExcludeFromDescription().AllowAnonymous().OnlyOn(Listener.Network);
    }

    /// <summary>The keys of forms, which all nodes share; like every secret, under a data key.</summary>
    private sealed class SealedKeys(Database database, SecretStore secrets) : IXmlRepository
    {
        private const string Purpose = "data-protection";

        public IReadOnlyCollection<XElement> GetAllElements()
        {
            using var context = database.Open();
            return [.. context.DataProtectionKeys.AsNoTracking().AsEnumerable().Select(
                k => XElement.Parse(System.Text.Encoding.UTF8.GetString(secrets.Open(k.Sealed, Purpose))))];
        }

        public void StoreElement(XElement element, string friendlyName)
        {
            using var context = database.Open();
            context.DataProtectionKeys.Add(new DataProtectionKeyRow
            {
                Name = $"{friendlyName}-{Guid.NewGuid():N}",
                Sealed = secrets.Seal(System.Text.Encoding.UTF8.GetBytes(element.ToString(SaveOptions.DisableFormatting)), Purpose),
            });
            context.SaveChanges();
        }
    }
}
