// A phone that speaks to Fujing: Kotlin for Android 8 (API 26) and later, OkHttp 4 or 5, and the org.json of Android.
// See docs/mobile.md. Call it off the main thread. `folder` is the app's own: Context.filesDir.
//
// Here one person uses the phone; on a shared one each entry is kept with its person and sent under theirs.
package cn.example.fujing

import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyProperties
import android.util.AtomicFile
import java.io.ByteArrayOutputStream
import java.io.File
import java.io.IOException
import java.io.RandomAccessFile
import java.math.BigInteger
import java.security.KeyFactory
import java.security.KeyPairGenerator
import java.security.KeyStore
import java.security.MessageDigest
import java.security.PrivateKey
import java.security.Signature
import java.security.interfaces.ECPublicKey
import java.security.spec.ECGenParameterSpec
import java.security.spec.X509EncodedKeySpec
import java.time.Duration
import java.time.Instant
import java.util.Base64
import java.util.UUID
import java.util.zip.GZIPOutputStream
import okhttp3.MediaType.Companion.toMediaType
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody.Companion.toRequestBody
import org.json.JSONArray
import org.json.JSONObject

/** The server said no. `code` is stable, `told` is the whole problem. */
class Problem(val told: JSONObject) : Exception("${told.optString("code")}: ${told.optString("detail")}") {
    val code: String = told.optString("code")
}

private fun encoded(content: ByteArray): String = Base64.getUrlEncoder().withoutPadding().encodeToString(content)
private fun decoded(text: String): ByteArray = Base64.getUrlDecoder().decode(text)
private fun sha256(content: ByteArray): ByteArray = MessageDigest.getInstance("SHA-256").digest(content)
private fun hex(content: ByteArray): String = content.joinToString("") { "%02x".format(it) }
private fun toldOf(vararg fields: Pair<String, Any?>) = JSONObject(fields.toMap())

class Phone(private val url: String, folder: File) {
    private val http =
        OkHttpClient.Builder().connectTimeout(Duration.ofSeconds(5)).readTimeout(Duration.ofSeconds(60)).build()
    private val json = "application/json".toMediaType()
    private var nonce = ""
    private var access = ""
    private var refresh = ""

    // [key]
    private val store = KeyStore.getInstance("AndroidKeyStore").apply { load(null) }
    private val key: PrivateKey
    private val jwk: JSONObject

    init {
        if (!store.containsAlias("fujing")) {
            val wanted = KeyGenParameterSpec.Builder("fujing", KeyProperties.PURPOSE_SIGN)
                .setAlgorithmParameterSpec(ECGenParameterSpec("secp256r1"))
                .setDigests(KeyProperties.DIGEST_SHA256)
                .build()
            KeyPairGenerator.getInstance(KeyProperties.KEY_ALGORITHM_EC, "AndroidKeyStore")
                .apply { initialize(wanted) }.generateKeyPair()
        }
        key = store.getKey("fujing", null) as PrivateKey
        val point = (store.getCertificate("fujing").publicKey as ECPublicKey).w
        jwk = toldOf("kty" to "EC", "crv" to "P-256", "x" to coordinate(point.affineX), "y" to coordinate(point.affineY))
    }

    /** 32 bytes, however many BigInteger makes of it. */
    private fun coordinate(number: BigInteger): String = encoded(padded(number.toByteArray()))

    private fun padded(bytes: ByteArray): ByteArray =
        ByteArray(maxOf(0, 32 - bytes.size)) + bytes.copyOfRange(maxOf(0, bytes.size - 32), bytes.size)
    // [/key]

    // [proof]
    private fun proof(method: String, path: String, body: ByteArray?, token: String?): String {
        val claims = toldOf("htm" to method, "htu" to url + path, "jti" to UUID.randomUUID().toString())
        claims.put("iat", System.currentTimeMillis() / 1000)
        claims.put("nonce", nonce) // of the last DPoP-Nonce header; empty the first time
        if (token != null) claims.put("ath", encoded(sha256(token.toByteArray())))
        if (body != null) claims.put("body_sha256", encoded(sha256(body))) // as sent: of gzip, the compressed bytes
        return signed(toldOf("typ" to "dpop+jwt", "alg" to "ES256", "jwk" to jwk), claims)
    }

    private fun signed(header: JSONObject, claims: JSONObject): String {
        val text = encoded(header.toString().toByteArray()) + "." + encoded(claims.toString().toByteArray())
        val der = Signature.getInstance("SHA256withECDSA").run { initSign(key); update(text.toByteArray()); sign() }
        return text + "." + encoded(joined(der))
    }

    /** Java signs in DER: 30 len 02 len r 02 len s. JWS wants r and s, 32 bytes each. */
    private fun joined(der: ByteArray): ByteArray {
        val r = der.copyOfRange(4, 4 + der[3])
        val s = der.copyOfRange(6 + der[3], 6 + der[3] + der[5 + der[3]])
        return padded(r) + padded(s)
    }
    // [/proof]

    // [call]
    fun call(method: String, path: String, told: JSONObject? = null, signedIn: Boolean = true): JSONObject {
        for (attempt in 0 until 8) {
            val token = if (signedIn) access else null
            // sent_at is the clock at this very attempt
            val body = told?.let { gzip(JSONObject(it.toString()).put("sent_at", Instant.now().toString())) }
            val request = Request.Builder().url(url + path).method(method, body?.toRequestBody(json))
                .header("Accept-Language", "zh").header("DPoP", proof(method, path, body, token))
            if (body != null) request.header("Content-Encoding", "gzip")
            if (token != null) request.header("Authorization", "DPoP $token")
            var pause = 200L shl attempt
            val (status, headers, text) = try {
                http.newCall(request.build()).execute().use { Triple(it.code, it.headers, it.body?.string().orEmpty()) }
            } catch (lost: IOException) {
                Thread.sleep(pause)
                continue
            }
            nonce = headers["DPoP-Nonce"] ?: nonce
            val ours = text.isNotEmpty() && "json" in headers["Content-Type"].orEmpty() // not cut, no portal's page
            if (status == 204 || (ours && status < 400)) return if (ours) JSONObject(text) else JSONObject()
            val toldBack = if (ours) JSONObject(text) else toldOf("code" to "http_$status")
            when (toldBack.optString("code")) {
                "use_dpop_nonce", "proof_replayed" -> continue // a new proof is all that it takes
                "token_expired" -> {
                    keep(call("POST", "/v1/sessions/refresh", toldOf("refresh_token" to refresh), false))
                    continue
                }
            }
            pause = headers["Retry-After"]?.toLongOrNull()?.times(1000) ?: pause
            if ((ours && status != 429 && status < 500) || pause > 30_000) throw Problem(toldBack)
            Thread.sleep(pause)
        }
        throw IOException("no answer to $method $path; nothing is lost")
    }

    private fun gzip(told: JSONObject): ByteArray = ByteArrayOutputStream().also { out ->
        GZIPOutputStream(out).use { it.write(told.toString().toByteArray()) }
    }.toByteArray()
    // [/call]

    // [sign-in]
    fun enrol(code: String): JSONObject =
        call("POST", "/v1/devices/enrol", toldOf("code" to code, "jwk" to jwk), false).getJSONObject("device")

    fun signIn(badge: String, password: String) =
        keep(call("POST", "/v1/sessions", toldOf("badge" to badge, "password" to password), false))

    private fun keep(tokens: JSONObject) {
        access = tokens.getString("access_token")
        refresh = tokens.getString("refresh_token")
    }
    // [/sign-in]

    // [outbox]
    private val file = AtomicFile(File(folder, "outbox.json")) // Room or SQLite serves as well, and longer
    private val box = if (file.baseFile.exists()) JSONObject(String(file.readFully())) else toldOf("seq" to 0)
    val entries: JSONArray = box.optJSONArray("entries") ?: JSONArray().also { box.put("entries", it) }

    /** Keep an entry. When this returns it is on the disk, with its id and its number, for ever the same. */
    fun add(verb: String, occurredAt: Instant, vararg told: Pair<String, Any?>): String = synchronized(box) {
        val id = UUID.randomUUID().toString()
        val seq = box.getInt("seq") + 1
        val entry = toldOf("verb" to verb, "id" to id, "occurred_at" to occurredAt.toString(), "device_seq" to seq, *told)
        entries.put(toldOf("seq" to seq, "told" to entry, "state" to "queued"))
        box.put("seq", seq)
        save()
        id
    }

    private fun save() { // whole or not at all
        val out = file.startWrite()
        try {
            out.write(box.toString().toByteArray())
            file.finishWrite(out)
        } catch (broken: IOException) {
            file.failWrite(out)
            throw broken
        }
    }
    // [/outbox]

    // [sync]
    /** Send what is queued or waiting, and hear what is new, until there is neither. `add` never waits for it. */
    fun sync() {
        var after = 0
        var more = true
        while (true) {
            val told = JSONObject()
            val batch = synchronized(box) {
                if (box.has("cursor")) told.put("cursor", box.getString("cursor"))
                (0 until entries.length()).map(entries::getJSONObject)
                    .filter { it.getString("state") in setOf("queued", "waiting") && it.getInt("seq") > after }.take(1000)
            }
            if (batch.isEmpty() && !more) return
            val answer = call("POST", "/v1/sync", told.put("entries", JSONArray(batch.map { it.getJSONObject("told") })))
            synchronized(box) { // one answer is kept whole or not at all
                batch.forEachIndexed { index, entry ->
                    val result = answer.getJSONArray("results").getJSONObject(index)
                    val away = (result.optJSONObject("problem")?.optInt("status") ?: 0) >= 500
                    val status = result.getString("status")
                    entry.put("state", if (status == "again" || away) "queued" else status) // nothing became of it
                    entry.put("answer", result)
                }
                for (name in listOf("cursor", "bundle")) if (!answer.isNull(name)) box.put(name, answer.get(name))
                save() // with `reset`, what was told before is forgotten here
            }
            after = batch.lastOrNull()?.getInt("seq") ?: after
            more = answer.optBoolean("more")
        }
    }
    // [/sync]

    // [upload]
    /** Ask what is missing, send exactly that, until the store has it all. Tomorrow's process can go on with it. */
    fun upload(id: String, taken: File) {
        var failures = 0
        val etags = mutableMapOf<Int, String>() // of the last PUT of each part, as the store answered it
        while (true) {
            val missing = call("GET", "/v1/uploads/$id/parts").getJSONArray("missing")
            if (missing.length() == 0) break
            for (part in (0 until missing.length()).map(missing::getJSONObject)) {
                val content = ByteArray(part.getInt("bytes"))
                RandomAccessFile(taken, "r").use { it.seek(part.getLong("offset")); it.readFully(content) }
                val md5 = Base64.getEncoder().encodeToString(MessageDigest.getInstance("MD5").digest(content))
                val put = Request.Builder().url(part.getString("url")).put(content.toRequestBody()).header("Content-MD5", md5)
                val arrived = try { // no token and no proof: the URL is signed
                    http.newCall(put.build()).execute().use { answer ->
                        if (answer.code == 200) answer.header("ETag")?.let { etags[part.getInt("number")] = it }
                        answer.code == 200
                    }
                } catch (lost: IOException) {
                    false
                }
                failures = if (arrived) 0 else failures + 1
                if (failures > 8) throw IOException("no part arrives; nothing is lost")
            }
        }
        val parts = etags.map { (number, etag) -> toldOf("number" to number, "etag" to etag) }
        call("POST", "/v1/uploads/$id/complete", toldOf("parts" to JSONArray(parts)))
    }
    // [/upload]

    // [receipt]
    /** The receipt, once it is there and proves these very bytes. Keep it; only then may the file go. */
    fun receipt(id: String, taken: File): String {
        var told = call("GET", "/v1/uploads/$id/receipt")
        while (told.getString("state") == "received") {
            Thread.sleep(500)
            told = call("GET", "/v1/uploads/$id/receipt")
        }
        check(told.getString("state") == "sealed") { told.getString("advice") } // mismatch, abandoned: upload it again
        val receipt = told.getString("receipt")
        val (head, body, signature) = receipt.split(".")
        val header = JSONObject(String(decoded(head)))
        val keys = call("GET", "/.well-known/jwks.json", signedIn = false).getJSONArray("keys")
        val jwk = (0 until keys.length()).map(keys::getJSONObject)
            .single { it.getString("kid") == header.getString("kid") && it.getString("kid").startsWith("evidence-") }
        // Ed25519 is in Android from API 33 on; before that take it from Tink or Bouncy Castle.
        val x509 = decoded("MCowBQYDK2VwAyEA") + decoded(jwk.getString("x")) // the fixed head of such a key (RFC 8410)
        val published = KeyFactory.getInstance("Ed25519").generatePublic(X509EncodedKeySpec(x509))
        val held = Signature.getInstance("Ed25519")
            .run { initVerify(published); update("$head.$body".toByteArray()); verify(decoded(signature)) }
        val claims = JSONObject(String(decoded(body)))
        val right = header.getString("typ") == "fujing-receipt+jwt" && claims.getString("id") == told.getString("id") &&
            claims.getString("sha256") == hex(sha256(taken.readBytes()))
        check(held && right) { "this receipt proves something else: keep the file" }
        synchronized(box) {
            box.put("receipt $id", receipt)
            save()
        }
        return receipt
    }
    // [/receipt]
}

/** Five hours without a network, and what follows. */
fun patrol(url: String, folder: File, code: String, badge: String, password: String, taken: File) {
    val phone = Phone(url.trimEnd('/'), folder)
    phone.enrol(code)
    phone.signIn(badge, password)
    val now = Instant.now()
    val shift = phone.add(
        "shifts/check-in", now - Duration.ofHours(5), "duty_type" to "patrol", "dress" to "uniform",
        "id_card_carried" to true, "roster_post" to "北门岗亭",
    )
    phone.add("shifts/check-out", now - Duration.ofHours(1), "shift" to shift)
    val upload = phone.add(
        "recordings/declare", now - Duration.ofHours(1), "camera_serial" to "DSJ-0044", "media_type" to "video/mp4",
        "file_name" to taken.name, "bytes" to taken.length(), "sha256" to hex(sha256(taken.readBytes())),
        "started_at" to (now - Duration.ofHours(3)).toString(), "ended_at" to (now - Duration.ofHours(2)).toString(),
    )
    phone.sync()
    for (entry in (0 until phone.entries.length()).map(phone.entries::getJSONObject)) println(entry)
    phone.upload(upload, taken)
    phone.receipt(upload, taken)
    taken.delete() // in this order: verified, kept, deleted
}
