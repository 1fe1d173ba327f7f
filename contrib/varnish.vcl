# Varnish in front of filmstrip: it caches pages, the API, pictures and subtitles. Films go through it uncached.
#   varnishd -a :80 -f /etc/varnish/films.vcl -s default,256m
# On the origin:
#   filmstrip --bind 10.0.0.11 --max-connections 20000 --trust-proxy 10.0.0.30 /srv/films

vcl 4.1;

backend nas1 {
    .host = "nas1";
    .port = "8000";
    .probe = { .url = "/health"; .interval = 2s; }
}

sub vcl_recv {
    # Replaced, not appended to: nobody outside is to choose the address in the log, or the host in the playlist.
    set req.http.X-Forwarded-For = client.ip;
    set req.http.X-Forwarded-Proto = "http";
    unset req.http.X-Forwarded-Host;
    # Cookies are other programs' on this host, and would prevent caching.
    unset req.http.Cookie;
    # To cache a range Varnish would fetch the whole film, and drop all else for it. With `pass` it would read the film
    # into memory ahead of a slow client. A pipe holds nothing: ranges, If-Range and 416 are filmstrip's own. To cache
    # films, use nginx (nginx-cache.conf).
    if (req.url ~ "^/video/" && req.url !~ "(?i)^[^?]*\.(jpe?g|png|webp|avif|gif|svg|vtt|srt|ass|ssa)(\?|$)") {
        return (pipe);
    }
}

sub vcl_backend_response {
    # filmstrip says no-cache and gives an ETag: keep it, and ask before each use. Here it is used for a second without
    # asking, and then a 304 renews it. The built-in code does the rest: what says no-store isn't kept, nor what needs
    # a password.
    if (!bereq.uncacheable && beresp.status == 200 && beresp.http.Cache-Control == "no-cache") {
        set beresp.ttl = 1s;
        set beresp.grace = 0s;
        set beresp.keep = 1h;
        return (deliver);
    }
}
